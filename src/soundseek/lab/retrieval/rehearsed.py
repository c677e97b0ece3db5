"""What a rehearsal found: figures for programs, and a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from soundseek.lab.problems import Problem
from soundseek.lab.retrieval.course import Course
from soundseek.lab.retrieval.rehearsal_checks import Standing
from soundseek.lab.training.trial import STEPS, StepTrial

_SHOWN = 5
_GB = 1e9


@dataclass(frozen=True)
class PartFigures:
    """Clips of a part; `probed` headers of them were read, and `unreadable` (id → reason) have
    none. `sources`: clips by the source that they come from."""

    clips: int
    captions: int
    hours: float
    probed: int
    unreadable: Mapping[str, str]
    sources: Mapping[str, int]


@dataclass(frozen=True)
class StageTime:
    """Seconds that a stage is likely to take from where it stands."""

    prepare_s: float
    learn_s: float
    validate_s: float

    @property
    def total_s(self) -> float:
        return self.prepare_s + self.learn_s + self.validate_s


@dataclass(frozen=True)
class StageFigures:
    """A stage: the terms of its objective, its data by part, its course, what a trial of it took,
    and how long it will take; these are None where nothing could be tried."""

    name: str
    objective: tuple[str, ...]
    data: Mapping[str, PartFigures]
    course: Course
    trial: StepTrial | None
    time: StageTime | None


@dataclass(frozen=True)
class Need:
    """Bytes that something takes on the disk, and what is free there."""

    what: str
    place: str
    bytes: int
    free: int


@dataclass(frozen=True)
class Rehearsal:
    """A recipe rehearsed. With `problems` it would not train; `memory_free_bytes` is on `device`
    before the trial."""

    name: str
    device: str
    processes: int
    precision: str
    stages: tuple[StageFigures, ...]
    disk: tuple[Need, ...]
    memory_free_bytes: int | None
    score_s: float
    standing: Standing | None
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def seconds(self) -> float | None:
        """Of the whole run from where it stands; None where a stage could not be tried."""
        times = [stage.time for stage in self.stages]
        if not times or any(time is None for time in times):
            return None
        return sum(time.total_s for time in times if time is not None) + self.score_s

    def document(self) -> dict[str, Any]:
        """As JSON would hold it."""
        document = asdict(self)
        document["trial_steps"] = STEPS
        document["estimate_s"] = self.seconds
        for stage, told in zip(self.stages, document["stages"], strict=True):
            if stage.time is not None:
                told["time"]["total_s"] = stage.time.total_s
        return document

    def lines(self) -> Iterator[str]:
        """As people read it."""
        several = f", {self.processes} processes" if self.processes > 1 else ""
        free = (
            "" if self.memory_free_bytes is None else f", {gigabytes(self.memory_free_bytes)} free"
        )
        yield f"{self.name}  on {self.device}{several} in {self.precision}{free}"
        if self.standing is not None:
            yield _stands(self.standing)
        for stage in self.stages:
            yield ""
            yield from _stage(stage)
        yield ""
        yield from _disk(self.disk)
        if self.seconds is not None:
            yield (
                f"time      about {duration(self.seconds)} in all: an estimate from {STEPS} steps "
                "a stage on imagined sounds; a busy machine takes longer, early stopping less"
            )
        for note in self.notes:
            yield f"note      {note}"


def _stands(standing: Standing) -> str:
    if standing.stage is None:
        return "run       begun, nothing learnt yet: it is resumed from the start"
    return f"run       is resumed in stage {standing.stage} at step {standing.step:,}"


def _stage(stage: StageFigures) -> Iterator[str]:
    yield f"stage {stage.name}"
    for name, part in stage.data.items():
        some = [f"{source} {n:,}" for source, n in part.sources.items()]
        others = len(some) - _SHOWN
        by = ", ".join(some[:_SHOWN]) + (f" and {others} others" if others > 0 else "")
        yield (
            f"  {name:<10}  {part.clips:,} clips, {part.captions:,} captions, "
            f"{part.hours:.2f} h  ({by})"
        )
        yield from _bad(name, part)
    yield f"  objective   {', '.join(stage.objective)}"
    course = stage.course
    parts = f" in {course.accumulate} parts" if course.accumulate > 1 else ""
    resumed = f", {course.steps_left:,} left" if course.steps_left < course.steps else ""
    yield (
        f"  steps       {course.steps:,}{resumed}: {course.steps_per_epoch:,} an epoch of "
        f"{course.pairs:,} pairs, {course.batch} at once{parts}"
    )
    yield f"  schedule    {course.schedule}"
    if stage.trial is None or stage.time is None:
        return
    trial, time = stage.trial, stage.time
    for of, (everything, trained) in trial.parameters.items():
        said = "frozen" if trained == 0 else f"{trained:,} trained"
        yield f"  {of:<18}{everything:>14,} parameters, {said}"
    yield (
        f"  a step      {trial.step_s:.3f} s ({trial.longest_step_s:.3f} s for the longest "
        f"sounds), {trial.make_s:.3f} s to make its batch; loss {trial.loss:.4f}"
    )
    yield (
        f"  memory      {gigabytes(trial.peak_bytes)} at most, of which "
        f"{gigabytes(trial.grown_bytes)} for the steps"
    )
    yield (
        f"  time        about {duration(time.total_s)}: prepare {duration(time.prepare_s)}, "
        f"learn {duration(time.learn_s)}, validate {duration(time.validate_s)}"
    )


def _bad(name: str, part: PartFigures) -> Iterator[str]:
    if not part.unreadable:
        return
    yield (
        f"  {'':<10}  {len(part.unreadable):,} of {part.probed:,} looked at cannot be read and "
        "would be left out:"
    )
    for clip, reason in list(part.unreadable.items())[:_SHOWN]:
        yield f"  {'':<10}    {clip}: {reason}"
    if len(part.unreadable) > _SHOWN:
        yield f"  {'':<10}    and {len(part.unreadable) - _SHOWN:,} more"


def _disk(needs: Sequence[Need]) -> Iterator[str]:
    for number, need in enumerate(needs):
        yield (
            f"{'disk' if number == 0 else '':<8}  {need.what}: {gigabytes(need.bytes)} in "
            f"{need.place} ({gigabytes(need.free)} free)"
        )


def gigabytes(size: int) -> str:
    """A size as people say it."""
    return f"{size / _GB:.2f} GB" if size >= _GB / 10 else f"{size / 1e6:.1f} MB"


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
