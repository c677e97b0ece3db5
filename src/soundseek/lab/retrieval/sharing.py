"""Stages that several runs have in common, trained once: a run is handed what another one kept."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import torch

from soundseek.errors import DataError
from soundseek.lab.links import linked
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from soundseek.lab.run_folder import CHECKPOINT, VALIDATION
from soundseek.lab.training.kept import stage_file

HANDED: Final = "handed-over.json"
# What a stage learns does not depend on these.
_OF_NO_WEIGHT = ("name", "description", "published")
_OF_NO_WEIGHT_IN_RUN = (
    "cache",
    "decode",
    "device",
    "threads",
    "workers",
    "log_steps",
    "checkpoint_steps",
)
# A pretrained text encoder that still takes what it knows from the captions of all stages.
_READS_CAPTIONS = "word_vectors"


@dataclass(frozen=True)
class HandedOver:
    """What a run starts from instead of its first stages: `kept` is the model of the stage
    `stage`, `before` how many steps were made until then."""

    stage: str
    before: int
    kept: Mapping[str, Any]


def common_stages(one: RetrievalRecipe, other: RetrievalRecipe) -> list[str]:
    """Names of the first stages that both recipes train alike, in order; the last stage of either
    is never among them.

    Seeds count, and so do the captions of later stages where the text encoder's vocabulary is made
    of them.
    """
    stages = [list(recipe.plain_stages())[:-1] for recipe in (one, other)]
    if not _built_alike(one, other):
        return []
    names: list[str] = []
    for (name, here), (name_there, there) in zip(*stages, strict=False):
        if name != name_there or _learnt(here) != _learnt(there):
            break
        names.append(name)
    return names


def hand_over(source: Path, target: Path, stages: Sequence[str]) -> bool:
    """Let the run in `target` start from what the run in `source` kept of `stages`.

    A run that has begun, or for which `source` lacks a stage, is left as it is; returns whether
    something was handed over.
    """
    if not stages or (target / CHECKPOINT).is_file() or (target / HANDED).is_file():
        return False
    before = _steps_until(source, stages[-1])
    if before is None or not all((source / stage_file(name)).is_file() for name in stages):
        return False
    target.mkdir(parents=True, exist_ok=True)
    for name in stages:
        linked(source / stage_file(name), target / stage_file(name))
    document = {"from": str(source), "stage": stages[-1], "before": before}
    draft = target / f"{HANDED}.partial"
    draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    draft.replace(target / HANDED)
    return True


def handed_over(run_folder: Path) -> HandedOver | None:
    """What was handed to a run that has not begun, None where nothing was.

    Raises `DataError` where the model is not there any more.
    """
    note = run_folder / HANDED
    if not note.is_file() or (run_folder / CHECKPOINT).is_file():
        return None
    document = json.loads(note.read_text(encoding="utf-8"))
    path = run_folder / stage_file(document["stage"])
    if not path.is_file():
        raise DataError(
            f"{run_folder} was to start from {path.name}, which is missing",
            remedy=f"remove {note} to train that stage here",
        )
    kept = torch.load(path, map_location="cpu", weights_only=True)
    return HandedOver(document["stage"], int(document["before"]), kept)


def giver(recipes: Mapping[str, RetrievalRecipe], name: str) -> tuple[str, list[str]] | None:
    """Of the runs before `name`, the first that has most stages in common with it, and these."""
    best: tuple[str, list[str]] | None = None
    for other, recipe in recipes.items():
        if other == name:
            break
        common = common_stages(recipe, recipes[name])
        if len(common) > (0 if best is None else len(best[1])):
            best = (other, common)
    return best


def _built_alike(one: RetrievalRecipe, other: RetrievalRecipe) -> bool:
    text = one.text
    if text.weights == "pretrained" and text.encoder != _READS_CAPTIONS:
        return True
    first, second = (
        {json.dumps(_data(stage), sort_keys=True) for _, stage in recipe.plain_stages()}
        for recipe in (one, other)
    )
    return first == second


def _data(stage: RetrievalRecipe) -> dict[str, Any]:
    data = stage.data.model_dump(exclude={"test"})
    return data | ({"fold": 0} if data["folds"] is None else {})


def _learnt(stage: RetrievalRecipe) -> dict[str, Any]:
    document = stage.model_dump(exclude=set(_OF_NO_WEIGHT))
    document["data"] = _data(stage)
    for key in _OF_NO_WEIGHT_IN_RUN:
        document["run"].pop(key, None)
    return document


def _steps_until(run: Path, stage: str) -> int | None:
    """Steps of the run at the end of a stage: its last validation is made then."""
    path = run / VALIDATION
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ended = [
        int(row["step"])
        for row, after in pairwise(rows)
        if row["stage"] == stage and after["stage"] != stage
    ]
    return ended[-1] if ended else None
