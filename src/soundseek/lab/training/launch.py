"""From a recipe to the processes that train it, in the run's folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from soundseek.lab.devices import check_devices, open_fabric
from soundseek.lab.environment import write_environment
from soundseek.lab.processes import companions
from soundseek.lab.progress import Watch
from soundseek.lab.recipe_files import RecipeBase
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.run_loggers import Loggers, open_loggers
from soundseek.lab.training.settings import Run

Say = Callable[[str], None]
Work = Callable[[RunFolder, Say, "Watch | None", Fabric], None]


def launch(
    recipe: RecipeBase,
    run: Run,
    run_folder: Path,
    work: Work,
    *,
    accompany: Callable[[Mapping[str, Any], Path], None],
    say: Say,
    watch: Watch | None = None,
) -> None:
    """Do `work` in every process of a run.

    `accompany` is what the others call, with the recipe as a mapping and the folder: it comes to
    `launch` again. The first process alone says how the run goes and is watched. Raises
    `RecipeError` for devices that are not there, or if the folder holds a run of another recipe.
    """
    if run.threads is not None:
        torch.set_num_threads(run.threads)
    check_devices(run.device, run.devices, run.precision)  # before others are started in vain
    with companions(run.devices, accompany, recipe.model_dump(), run_folder):
        fabric = open_fabric(run.device, run.devices, run.precision)
        with fabric.rank_zero_first():
            folder = RunFolder.claim(run_folder, recipe)
        if fabric.is_global_zero:
            write_environment(folder.path)
        else:
            say, watch = silent, None
        work(folder, say, watch, fabric)


def loggers_of(
    recipe: RecipeBase, run: Run, folder: RunFolder, fabric: Fabric, *, done: int, say: Say
) -> Loggers:
    """The loggers of the first process; `done`: how many steps the run has made already."""
    return open_loggers(
        run.loggers if fabric.is_global_zero else (),
        folder.path,
        run_name=folder.path.name,
        config=recipe.model_dump(mode="json"),
        resumed_step=done,
        options=run.logger_options,
        say=say,
    )


def silent(_: str) -> None:
    """One process alone tells how the run goes."""
