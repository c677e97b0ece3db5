"""One run of many: trained, or gone on with, or found done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from soundseek.lab.progress import Validation
from soundseek.lab.recipe_files import RecipeBase, merged
from soundseek.lab.runs.course import Course, Point
from soundseek.lab.systems import recipe_of, similarities, train

Tell = Callable[[object], None]
"""Told a line of text, or a `Point` after each validation."""


@dataclass(frozen=True)
class Order:
    """A run to be made.

    `recipe` is the recipe's mapping. `patience`: validations without gain in `figure` after which
    the run ends, in its last stage; None: it goes to its own end. `scored`: its test set must be
    heard in the end. `threads`: how many the process may use, None: as the recipe says.
    """

    recipe: Mapping[str, Any]
    folder: Path
    figure: str = "mAP@10"
    patience: int | None = None
    scored: bool = False
    threads: int | None = None


@dataclass(frozen=True)
class Carried:
    """What became of a run: the best value of its figure (None if `scored` alone was asked for and
    no validation was heard), all points, and how it ended."""

    value: float | None
    points: tuple[Point, ...]
    ended: Literal["full", "stale"]
    seconds: float


def shared(recipe: RecipeBase, cache: Path, threads: int | None) -> dict[str, Any]:
    """The recipe's mapping, with what runs have in common kept in one `cache` unless it says where,
    and with at most so many threads."""
    document = recipe.model_dump()
    run = document.get("run", {})
    changes: dict[str, Any] = {}
    if "cache" in run and run["cache"] is None:
        changes["cache"] = str(cache)
    if threads is not None and "threads" in run:
        changes["threads"] = min(threads, run["threads"] or threads)
    return merged(document, {"run": changes}) if changes else document


class _StaleError(Exception):
    """Ends a training that gains nothing any more."""


def carry_out(order: Order, tell: Tell) -> Carried:
    """Train what is ordered, or go on with it; a run that is done is not touched.

    A run that ends early leaves its folder as a killed one does. Raises what training raises.
    """
    started = time.monotonic()
    if order.threads is not None:
        import torch

        torch.set_num_threads(order.threads)
    recipe = recipe_of(order.recipe, str(order.folder))
    if order.scored and is_scored(order.folder):
        course = Course(order.folder, order.figure)
        value = course.best.value if course.points else None
        return Carried(value, tuple(course.points), "full", 0.0)
    order.folder.mkdir(parents=True, exist_ok=True)
    course = Course(order.folder, order.figure)
    ended: Literal["full", "stale"] = "full"
    try:
        _train(recipe, order, course, tell)
    except _StaleError:
        ended = "stale"
    if order.scored:
        similarities(order.folder, say=tell)
    value = None if order.scored and not course.points else course.best.value
    return Carried(value, tuple(course.points), ended, time.monotonic() - started)


def is_scored(folder: Path) -> bool:
    """Whether a run keeps how its test set was heard, which is the last thing that it writes."""
    return (folder / "similarities" / "test").is_dir()


def _train(recipe: RecipeBase, order: Order, course: Course, tell: Tell) -> None:
    last = _last_stage(recipe)

    def check() -> None:
        in_last = last is None or course.stage == last
        if order.patience is not None and in_last and course.stale >= order.patience:
            raise _StaleError

    def watch(validation: Validation) -> None:
        tell(course.add(validation))
        check()

    check()
    train(recipe, order.folder, tell, watch=watch)


def _last_stage(recipe: RecipeBase) -> str | None:
    """The name of the last of a recipe's stages, None where it has none."""
    stages = getattr(recipe, "plain_stages", None)
    return None if stages is None else [name for name, _ in stages()][-1]
