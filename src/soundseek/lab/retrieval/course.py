"""The course of a stage: its epochs and steps, how many are left, how its rate ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from soundseek.lab.retrieval.rehearsal_checks import Standing
from soundseek.lab.training.pairs import PairOrder
from soundseek.lab.training.schedules import Rate
from soundseek.lab.training.settings import Optimiser


@dataclass(frozen=True)
class Course:
    """`batch` is that of the recipe, `pairs` those of an epoch; `steps_left` of `steps` where a run
    is resumed."""

    batch: int
    accumulate: int
    pairs: int
    steps_per_epoch: int
    steps: int
    steps_left: int
    schedule: str


def course_of(
    name: str,
    names: Sequence[str],
    settings: Optimiser,
    order: PairOrder,
    standing: Standing | None,
) -> Course:
    """That of the stage `name` of `names`, from where the run stands."""
    total = settings.epochs * order.batches
    if settings.max_steps is not None:
        total = min(total, settings.max_steps)
    return Course(
        settings.batch,
        settings.accumulate,
        order.items,
        order.batches,
        total,
        _left(name, names, total, standing),
        _schedule(settings, order.batches, total),
    )


def _left(name: str, names: Sequence[str], total: int, standing: Standing | None) -> int:
    if standing is None or standing.stage is None or standing.stage not in names:
        return total
    if names.index(name) < names.index(standing.stage):
        return 0
    return max(0, total - standing.step) if name == standing.stage else total


def _schedule(settings: Optimiser, steps_per_epoch: int, total: int) -> str:
    schedule, epochs = settings.schedule, total / steps_per_epoch
    said = f"{settings.kind}, {schedule.kind} from {settings.learning_rate:g}"
    if schedule.warmup_epochs:
        said += f" after {schedule.warmup_epochs:g} epochs of warm-up"
    said += f"; ends at epoch {epochs:.4g}"
    if schedule.kind == "plateau":
        return f"{said}, at a rate that depends on {schedule.monitor}"
    last = Rate(schedule, settings.learning_rate, steps_per_epoch, epochs).at(total - 1)
    said += f" with {last * settings.learning_rate:.3g}"
    if schedule.warmup_epochs >= epochs:
        said += ": within the warm-up"
    return said
