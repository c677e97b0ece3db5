"""What a study leaves: report.md, trials.csv, plots, and the best configuration as a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from soundseek.lab.recipe_files import (
    RECIPES,
    difference_between,
    find_recipe,
    read_recipe_file,
    recipe_names,
    with_values,
)
from soundseek.lab.runs.tables import markdown_table, write_text
from soundseek.lab.search.findings import Findings, Tried, findings, write_trials
from soundseek.lab.search.plots import write_plots
from soundseek.lab.search.storage import told_as_error
from soundseek.lab.search.tune import TRIALS, Search

REPORT: Final = "report.md"
BEST: Final = "best.yaml"
TRIALS_CSV: Final = "trials.csv"
_SHOWN: Final = 10


def write_report(search: Search) -> Findings:
    """Write all that can be told of the study so far into its folder; returns what it found."""
    space = search.task.space
    where = search.storage or str(search.folder)
    with told_as_error(where), search.joined() as study:
        found = findings(study.study)
    write_trials(found, list(space.parameters), search.folder / TRIALS_CSV)
    if found.best is not None:
        write_text(search.folder / BEST, best_recipe(search, found))
    plots = write_plots(found, space, search.folder)
    write_text(search.folder / REPORT, _report(search, found, plots))
    return found


def summary(search: Search, found: Findings) -> dict[str, Any]:
    """What `--json` prints."""
    best = found.best
    return {
        "study": str(search.folder),
        "recipe": search.recipe.name,
        "space": search.task.space.name,
        "figure": search.task.space.figure,
        "trials": {
            "complete": len(found.complete),
            "ended_early": sum(trial.early for trial in found.trials),
            "failed": len(found.failed),
            "under_way": sum(trial.state == "under way" for trial in found.trials),
        },
        "best": None
        if best is None
        else {
            "trial": best.folder,
            "run": str(search.folder / TRIALS / best.folder),
            "value": best.value,
            "values": dict(best.values),
            "recipe": str(search.folder / BEST),
        },
        "importances": dict(found.importances),
    }


def best_recipe(search: Search, found: Findings) -> str:
    """The best trial's configuration, as a difference over the recipe that was searched."""
    task, best = search.task, found.best
    if best is None:
        raise ValueError("no trial is complete")
    path = find_recipe(task.recipe)
    shipped = task.recipe in recipe_names() and path.is_relative_to(RECIPES)
    full = with_values(search.document, best.values)
    difference = difference_between(read_recipe_file(path), full)
    document = {
        "extends": task.recipe if shipped else str(path.resolve()),
        "name": f"{search.recipe.name}_{task.space.name}_best",
        "description": f"{search.recipe.description}, best of {len(found.complete)} trials",
        **{key: value for key, value in difference.items() if key not in ("name", "description")},
    }
    body = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=False)
    return _heading(search, found, best) + body


def _heading(search: Search, found: Findings, best: Tried) -> str:
    task = search.task
    lines = [
        f"The best of {len(found.complete)} trials over the search space {task.space.name}: "
        f"trial {best.folder}.",
        "",
        f"Train:    soundseek train {search.folder / BEST} --out runs/best",
        f"Override: soundseek train {search.folder / BEST} seed=1 --out runs/best-1",
        f"Scores:   {task.space.figure} {best.value:.4f} on the validation set, on which it was "
        "chosen:",
        "          other clips will give less.",
    ]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _report(search: Search, found: Findings, plots: list[str]) -> str:
    space = search.task.space
    early = sum(trial.early for trial in found.trials)
    under_way = sum(trial.state == "under way" for trial in found.trials)
    parts = [
        f"# Search over {space.name} for {search.recipe.name}",
        f"{len(found.complete)} trials are complete ({early} of them ended early, after "
        f"{space.patience} validations without gain), {len(found.failed)} failed, {under_way} are "
        f"under way. The first {space.random_starts} are random, the others the Tree-structured "
        f"Parzen Estimator's; seed {space.seed}. A trial's value is its best {space.figure} on the "
        "validation set."
        + (" **Tiny networks on synthetic sounds: figures say nothing.**" * search.task.smoke),
    ]
    if found.best is not None:
        parts += _best(search, found, found.best)
    if found.importances:
        rows = [[f"`{name}`", f"{share:.3f}"] for name, share in found.importances.items()]
        parts += [
            "## What mattered",
            "Shares by PED-ANOVA: how differently the best tenth of the trials is distributed. "
            "With few trials these are rough.",
            markdown_table(("parameter", "importance"), rows),
        ]
    if plots:
        parts += ["## Plots", *(f"![{Path(name).stem}]({name})" for name in plots)]
    if found.failed:
        parts += ["## Failed trials"]
        parts += [
            "\n".join(
                f"- trial {t.folder}: {' '.join(str(t.reason).split())}" for t in found.failed
            )
        ]
    return "\n\n".join(parts) + "\n"


def _best(search: Search, found: Findings, best: Tried) -> list[str]:
    space = search.task.space
    short = [key.rpartition(".")[2] for key in space.parameters]
    rows = [
        [
            trial.folder,
            f"{trial.value:.4f}",
            str(trial.validations) + (" (early)" if trial.early else ""),
            *(_cell(trial.values[key]) for key in space.parameters),
        ]
        for trial in found.complete[:_SHOWN]
    ]
    return [
        "## Best trials",
        f"Trial {best.folder} reached {best.value:.4f}. Its configuration is the recipe `{BEST}` "
        f"(run: `{TRIALS}/{best.folder}`). It was chosen on these clips: expect less on others, "
        "and measure it on the test set with several seeds.",
        markdown_table(("trial", space.figure, "validations", *short), rows),
    ]


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
