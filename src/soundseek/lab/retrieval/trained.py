"""Reading what a run left: its recipe and the model that it kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundseek.errors import DataError
from soundseek.lab.recipe_files import validated
from soundseek.lab.retrieval.build import rebuild_model, resources_of
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from soundseek.lab.run_folder import RunFolder, save_whole
from soundseek.lab.training.kept import KEPT, read_kept, stage_file

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Trained:
    """A model in eval mode, the recipe of the stage that it comes from, and what the terms of its
    objective learnt."""

    recipe: RetrievalRecipe
    model: RetrievalModel
    objective: Mapping[str, Any]


def keep(path: Path, model: RetrievalModel, objective: Mapping[str, Any], figures: Any) -> None:
    """Write a model with all that is needed to read it again; to a temporary name, then renamed.

    Raises `DataError` where it cannot be written.
    """
    save_whole(
        {
            "schema_version": SCHEMA_VERSION,
            "model": model.state_dict(),
            "resources": json.dumps(resources_of(model)),
            "objective": dict(objective),
            "figures": figures,
        },
        path,
    )


def load_trained(run_folder: Path, file: str = KEPT) -> Trained:
    """The model that a run kept. Raises `DataError` where there is none, or a newer one."""
    document = RunFolder(run_folder).document()
    if document["system"] != "retrieval":
        raise DataError(f"{run_folder} holds a run of a {document['system']} system")
    saved = read_kept(run_folder, file, newest=SCHEMA_VERSION)
    recipe = validated(RetrievalRecipe, document, str(run_folder))
    stages = {stage_file(name): stage for name, stage in recipe.plain_stages()}
    *_, last = stages.values()
    own = stages.get(file, last)
    model = rebuild_model(own, json.loads(saved["resources"]))
    model.load_state_dict(saved["model"])
    return Trained(own, model.eval(), saved["objective"])
