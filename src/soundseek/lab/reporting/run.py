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
from soundseek.lab.reporting.captioned import Captioned, read_captioned
from soundseek.lab.reporting.figures import measured
from soundseek.lab.reporting.monitors import Monitor, monitor_of
from soundseek.lab.run_captions import caption_figures
from soundseek.lab.run_clips import read_clips
from soundseek.lab.run_folder import METRICS, SCORES, SIMILARITIES, VALIDATION, RunFolder
from soundseek.lab.similarities import Similarities, open_similarities

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
class HeardPart:
    """How much a run was scored on; None for hours that its folder does not tell."""

    clips: int
    captions: int
    hours: float | None


@dataclass(frozen=True)
class Run:
    """A run's folder: recipe, tables, scores of the test set (in both directions where the system
    ranks), and the similarities of `part` (the test set, else the validation set) or the captions
    of the test set, None where none are kept."""

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
    captioned: Captioned | None = None

    @property
    def published(self) -> Mapping[str, Any] | None:
        """What the report of the recipe published: source, on, scores."""
        return self.recipe.get("published")

    @property
    def monitor(self) -> Monitor:
        """What tells its best model."""
        return monitor_of(str(self.recipe["system"]))

    @property
    def heard(self) -> HeardPart | None:
        """The size of `part`, None where nothing of it is kept."""
        if self.found is not None:
            hours = sum(clip.duration_s for clip in self.found.clips) / 3600
            return HeardPart(len(self.found.clips), len(self.found.queries), hours)
        if self.captioned is not None:
            references = self.captioned.captions.references
            return HeardPart(len(references), sum(map(len, references.values())), None)
        return None

    def stages(self) -> list[str]:
        """Names of the stages that were begun, in order."""
        return list(dict.fromkeys(row.stage for row in (*self.losses, *self.validations)))

    def kept(self) -> dict[str, Row]:
        """Stage → the validation whose model it keeps."""
        monitor, found = self.monitor, {}
        for stage in self.stages():
            rows = [row for row in self.validations if row.stage == stage]
            scored = [row for row in rows if not math.isnan(monitor.value(row.values))]
            if self._keeps_best(stage) and scored:
                found[stage] = max(scored, key=lambda row: monitor.goodness(row.values))
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
    scores = read_scores(folder)
    captioned = None
    if recipe["system"] == "captioning":
        # METEOR takes seconds, and is among the scores if there are any.
        captioned = read_captioned(folder, meteor=None if scores is None else False)
    return Run(
        folder,
        recipe,
        _table(folder / METRICS),
        _table(folder / VALIDATION),
        _completed(scores, found if part == "test" else None, captioned),
        part,
        found,
        read_sessions(folder),
        read_clips(folder),
        _members(folder),
        captioned,
    )


def _similarities(folder: Path) -> tuple[str, Similarities | None]:
    for part in ("test", "validation"):
        place = folder / SIMILARITIES / part
        if place.is_dir():
            return part, open_similarities(place)
    return "test", None


def _completed(
    scores: Mapping[str, Any] | None, found: Similarities | None, captioned: Captioned | None
) -> Mapping[str, Any] | None:
    """The scores; what they lack (all of it, in runs of some systems) is computed."""
    if scores is None and captioned is not None and captioned.evaluation is not None:
        return caption_figures(captioned.evaluation)
    if found is not None and (scores is None or "audio_to_text" not in scores):
        return measured(found) | dict(scores or {})
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
