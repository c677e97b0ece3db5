"""What a run's folder holds, read without its models: whatever is there, however far it came."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soundseek.errors import DataError
from soundseek.lab.environment import read_sessions
from soundseek.lab.recipe_files import merged
from soundseek.lab.reporting.figures import measured
from soundseek.lab.run_clips import read_clips
from soundseek.lab.run_folder import METRICS, SCORES, SIMILARITIES, VALIDATION, RunFolder
from soundseek.lab.similarities import Similarities, open_similarities

MONITOR: Final = "mAP@10"
ONLY_STAGE: Final = "train"


@dataclass(frozen=True)
class Row:
    """A row of a table of figures; empty cells are NaN."""

    step: int
    stage: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Member:
    """A model of an ensemble: the folder's name, and its scores once it is done."""

    name: str
    scores: Mapping[str, Any] | None


@dataclass(frozen=True)
class Run:
    """A run's folder: recipe, tables, scores of the test set in both directions, and the
    similarities of `part` (the test set, else the validation set), None where none are kept."""

    folder: Path
    recipe: Mapping[str, Any]
    losses: Sequence[Row]
    validations: Sequence[Row]
    scores: Mapping[str, Any] | None
    part: str
    found: Similarities | None
    sessions: Sequence[Mapping[str, Any]]
    clips: Mapping[str, Any]
    members: Sequence[Member]

    @property
    def published(self) -> Mapping[str, Any] | None:
        """What the report of the recipe published: source, on, scores."""
        return self.recipe.get("published")

    def stages(self) -> list[str]:
        """Names of the stages that were begun, in order."""
        return list(dict.fromkeys(row.stage for row in (*self.losses, *self.validations)))

    def kept(self) -> dict[str, Row]:
        """Stage → the validation whose model it keeps."""
        found = {}
        for stage in self.stages():
            rows = [row for row in self.validations if row.stage == stage]
            scored = [row for row in rows if not math.isnan(row.values.get(MONITOR, math.nan))]
            if self._keeps_best(stage) and scored:
                found[stage] = max(scored, key=lambda row: row.values[MONITOR])
            elif rows:
                found[stage] = rows[-1]
        return found

    def _keeps_best(self, stage: str) -> bool:
        recipe = dict(self.recipe)
        for number, difference in enumerate(self.recipe.get("stages") or (), start=1):
            if difference.get("stage", f"stage-{number}") == stage:
                recipe = merged(recipe, difference)
        # The embedded model goes by an average over its last steps, and keeps the last.
        return bool(recipe.get("optimiser", {}).get("select", "last") == "best")


def read_run(folder: Path) -> Run:
    """Read a run's folder. Raises `DataError` where there is no run, or for a damaged file."""
    recipe = RunFolder(folder).document()
    part, found = _similarities(folder)
    return Run(
        folder,
        recipe,
        _table(folder / METRICS),
        _table(folder / VALIDATION),
        _scores(folder, found if part == "test" else None),
        part,
        found,
        read_sessions(folder),
        read_clips(folder),
        _members(folder),
    )


def _similarities(folder: Path) -> tuple[str, Similarities | None]:
    for part in ("test", "validation"):
        place = folder / SIMILARITIES / part
        if place.is_dir():
            return part, open_similarities(place)
    return "test", None


def _scores(folder: Path, found: Similarities | None) -> Mapping[str, Any] | None:
    """scores.json; what it lacks (all of it, in runs of some systems) is computed."""
    scores = read_scores(folder)
    if found is not None and (scores is None or "audio_to_text" not in scores):
        return measured(found) | (scores or {})
    return scores


def read_scores(folder: Path) -> dict[str, Any] | None:
    """scores.json of a run, None where it is not there. Raises `DataError` if it is damaged."""
    file = folder / SCORES
    if not file.is_file():
        return None
    try:
        scores = json.loads(file.read_text(encoding="utf-8"))
        # What readers rely on.
        for direction in (
            scores,
            *([scores["audio_to_text"]] if "audio_to_text" in scores else []),
        ):
            int(direction["n"])
            for figure in direction["metrics"].values():
                _ = float(figure["value"]), figure["ci95"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file} is damaged: {error!r}",
            remedy="remove it and let the run score again: soundseek train RECIPE --out RUN",
        ) from error
    return dict(scores)


def _members(folder: Path) -> list[Member]:
    recipes = sorted(folder.glob("*/recipe.json"))
    return [Member(one.parent.name, read_scores(one.parent)) for one in recipes]


def _table(file: Path) -> list[Row]:
    if not file.is_file():
        return []
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            head, *rows = list(csv.reader(lines)) or [[]]
        # The last line of a run that is being written, or was killed, may be half there.
        if rows and len(rows[-1]) != len(head):
            rows.pop()
        return [_row(dict(zip(head, row, strict=True))) for row in rows]
    except (ValueError, KeyError, csv.Error) as error:
        raise DataError(
            f"{file} is damaged: {error!r}", remedy="remove the line that it comes from"
        ) from error


def _row(cells: dict[str, str]) -> Row:
    step, stage = int(cells.pop("step")), cells.pop("stage", ONLY_STAGE)
    return Row(step, stage, {name: float(cell or "nan") for name, cell in cells.items()})
