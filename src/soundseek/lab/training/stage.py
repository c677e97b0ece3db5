"""One stage of training, whatever the system: steps, validation, and what is kept."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from soundseek.errors import DataError
from soundseek.lab.averaging import WeightAverage
from soundseek.lab.devices import reduced
from soundseek.lab.feeding import made_ahead
from soundseek.lab.progress import Validation, Watch
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.training.kept import stage_file
from soundseek.lab.training.nonfinite import NonFinite
from soundseek.lab.training.parameters import Thaw, make_optimiser
from soundseek.lab.training.schedules import Rate
from soundseek.lab.training.settings import Optimiser, Run
from soundseek.lab.training.tables import Tables

_TRAINER: Final = 2  # of what a checkpoint holds; 1 had other parameter groups
LessonT = TypeVar("LessonT")
Say = Callable[[str], None]


@dataclass
class Progress:
    """Where a stage is; all that a resumed run needs besides weights."""

    step: int = 0
    epochs_done: int = 0
    best: float | None = None
    stale: int = 0
    seconds: float = 0.0
    # Steps that taught nothing: all of the stage, and those in a row.
    skipped: int = 0
    skipped_in_a_row: int = 0
    # Since the last row of the table of figures.
    sums: dict[str, float] = field(default_factory=dict)
    counted: int = 0


class Monitor(NamedTuple):
    """The figure of a validation by which the best checkpoint is told."""

    figure: str
    higher_is_better: bool = True


class TrainingStage(ABC, Generic[LessonT]):
    """Trains `learner` through `epochs` of `batches` steps each.

    `learner` makes the unweighted terms of an objective of a lesson; `model` is what is averaged,
    validated and kept. `before`: steps of the stages before this one. What a system learns from,
    how it is judged and what a checkpoint holds of it is in the methods that are abstract here.
    """

    def __init__(
        self,
        name: str,
        *,
        settings: Optimiser,
        run: Run,
        seed: int,
        learner: nn.Module,
        model: nn.Module,
        batches: int,
        monitor: Monitor,
        folder: RunFolder,
        tables: Tables,
        say: Say,
        fabric: Fabric,
        before: int,
        watch: Watch | None = None,
    ) -> None:
        self.name, self.settings, self.seed, self.batches = name, settings, seed, batches
        self._run = run
        self.learner, self._averaged, self.monitor = learner, model, monitor
        self.folder, self.tables, self.say, self.before = folder, tables, say, before
        self.fabric, self.watch = fabric, watch
        self.total = settings.epochs * batches
        if settings.max_steps is not None:
            self.total = min(self.total, settings.max_steps)
        # A budget shortens the schedule with the training.
        self.rate = Rate(settings.schedule, settings.learning_rate, batches, self.total / batches)
        self.optimiser = make_optimiser(settings, learner)
        self.thaw = Thaw(learner, settings)
        self.thaw.at(0.0)
        self.wrapped = fabric.setup_module(learner)
        stepper = fabric.setup_optimizers(self.optimiser)
        assert not isinstance(stepper, tuple)
        self.stepper = stepper
        self.average = None if settings.ema is None else WeightAverage(model, settings.ema)
        self.guard = NonFinite(learner, settings.non_finite, folder.path, name, fabric)
        self.progress = Progress()
        self._told = set(self.left_out())

    @abstractmethod
    def lessons(self, step: int) -> list[LessonT]:
        """What `step` of the stage learns from, in portions; depends on it and the seed alone."""

    @abstractmethod
    def weighted(self, terms: Mapping[str, Tensor]) -> Tensor:
        """The loss: the weighted sum of the terms."""

    @abstractmethod
    def figures(self) -> dict[str, float]:
        """Those of the validation set, the same in every process."""

    @abstractmethod
    def keep(self, figures: Mapping[str, float]) -> None:
        """Write the model to `kept`."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of the system: its model, and what rebuilds it."""

    @abstractmethod
    def take(self, saved: Mapping[str, Any]) -> None:
        """Take what `state` gave."""

    @abstractmethod
    def contents(self, lessons: Sequence[LessonT]) -> tuple[list[str], list[str]]:
        """Ids of the clips and texts of the captions in lessons."""

    def begin(self) -> None:
        """Before the first step of a run that has any to make."""

    def left_out(self) -> dict[str, str]:
        """Id → reason of clips that could not be read, up to now."""
        return {}

    @property
    def kept(self) -> Path:
        """Where the stage keeps its model."""
        return self.folder.path / stage_file(self.name)

    def run(self) -> None:
        """Train to the end of the stage."""
        progress, run = self.progress, self._run
        started = time.monotonic() - progress.seconds
        if not self._done():
            self.begin()
        for lessons in self._lessons():
            self._count(self._learn(lessons))
            self._tell_left_out()
            progress.step += 1
            progress.seconds = time.monotonic() - started
            if progress.step % run.log_steps == 0 or progress.step == self.total:
                self._log()
            epoch_ends = progress.step % self.batches == 0
            if epoch_ends:
                progress.epochs_done += 1
            due = epoch_ends and progress.epochs_done % run.evaluate_epochs == 0
            if due or progress.step == self.total:
                self._validate()
            if epoch_ends or progress.step % run.checkpoint_steps == 0 or self._done():
                self.save()
            if self._done():
                break
        self._tell_left_out()

    def learn(self, lessons: Sequence[LessonT]) -> dict[str, float] | None:
        """One step without what makes it a run: no log, validation or checkpoint. Its mean loss and
        terms, None where it taught nothing."""
        means = self._learn(lessons)
        self.progress.step += 1
        return means

    def save(self) -> None:
        """The checkpoint that a resumed run starts from."""
        if not self.fabric.is_global_zero:
            return
        self.folder.save(
            {
                "trainer": _TRAINER,
                "stage": self.name,
                "before": self.before,
                **self.state(),
                "optimiser": self.optimiser.state_dict(),
                "average": None if self.average is None else self.average.state(),
                "scaler": self.fabric.strategy.precision.state_dict(),
                "rate": self.rate.state(),
                "progress": asdict(self.progress),
            }
        )

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from a checkpoint of this stage."""
        if saved.get("trainer") != _TRAINER:
            raise DataError(
                f"the run in {self.folder.path} was begun by an earlier version",
                remedy="finish it with that version, or begin anew in another folder",
            )
        self.take(saved)
        self.optimiser.load_state_dict(saved["optimiser"])
        if self.average is not None:
            self.average.restore(saved["average"])
        self.fabric.strategy.precision.load_state_dict(saved["scaler"])
        self.rate.restore(saved["rate"])
        self.progress = Progress(**saved["progress"])
        if self.fabric.is_global_zero:
            self.folder.rewind(self.before + self.progress.step)
        self.say(f"resumed stage {self.name} at step {self.progress.step}")

    def _done(self) -> bool:
        patience = self.settings.stop_after
        stopped = patience is not None and self.progress.stale >= patience
        return stopped or self.progress.step >= self.total

    def _lessons(self) -> Iterator[list[LessonT]]:
        end = self.progress.step if self._done() else self.total
        return made_ahead(self.lessons, self.progress.step, end, workers=self._run.workers)

    def _learn(self, lessons: Sequence[LessonT]) -> dict[str, float] | None:
        """One step; None where it taught nothing. All chance in it comes from (seed, step) and the
        process: a resumed run has the same."""
        progress, rank = self.progress, self.fabric.global_rank
        step = self.before + progress.step
        torch.manual_seed(self.seed * 1_000_003 + step + rank * 15_485_863)
        if self.thaw.at(progress.step / self.batches) and self.fabric.world_size > 1:
            self.wrapped = self.fabric.setup_module(self.learner)
        self.learner.train()
        self.thaw.rest()
        factor = self.rate.at(progress.step)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * factor
        self.optimiser.zero_grad(set_to_none=True)
        self.guard.remember()
        means, problem = self._gradients(lessons)
        problem = problem or self._clip()
        if problem is not None:
            progress.skipped += 1
            progress.skipped_in_a_row += 1
            contents = self.contents(lessons)
            self.say(self.guard.refuse(problem, step, *contents, progress.skipped_in_a_row))
            self.guard.undo()
            return None
        progress.skipped_in_a_row = 0
        self.stepper.step()
        if self.average is not None:
            self.average.update(progress.step + 1)
        return means

    def _gradients(self, lessons: Sequence[LessonT]) -> tuple[dict[str, float], str | None]:
        """Those of the whole batch, with the mean loss and terms, or what was wrong with them."""
        means: dict[str, float] = {}
        for number, lesson in enumerate(lessons):
            last = number == len(lessons) - 1
            with self.fabric.no_backward_sync(self.wrapped, enabled=not last):
                terms: Mapping[str, Tensor] = {}
                problem = None
                try:
                    terms = self.wrapped(lesson)
                except DataError as error:
                    problem = error.message
                problem = self._agreed(problem)
                if problem is not None:
                    return means, problem
                loss = self.weighted(terms) / len(lessons)
                self.fabric.backward(loss)
            values = torch.stack([loss, *(value / len(lessons) for value in terms.values())])
            if self.fabric.world_size > 1:
                values = reduced(self.fabric, values.detach(), "sum") / self.fabric.world_size
            for name, value in zip(("loss", *terms), values.tolist(), strict=True):
                means[name] = means.get(name, 0.0) + value
        return means, None

    def _clip(self) -> str | None:
        """Clip the gradients, where the recipe says so; what is wrong with them."""
        limit = self.settings.clip_norm
        if limit is None:
            gradients = [p.grad for p in self.learner.parameters() if p.grad is not None]
            norm = nn.utils.get_total_norm(gradients)
        else:
            clipped = self.fabric.clip_gradients(
                self.learner, self.optimiser, max_norm=limit, error_if_nonfinite=False
            )
            assert clipped is not None
            norm = clipped
        # In fp16 the step is left out by the scaler, which then scales less.
        if self._run.precision == "fp16" or bool(torch.isfinite(norm)):
            return None
        return f"the gradient's norm is {norm.item()}"

    def _agreed(self, problem: str | None) -> str | None:
        """A problem of any process is one of all: else some would wait for the others for ever."""
        if self.fabric.world_size == 1:
            return problem
        flag = torch.tensor(float(problem is not None), device=self.fabric.device)
        if float(reduced(self.fabric, flag, "max")) == 0.0:
            return None
        return problem or "another process could not learn from its share of the batch"

    def _count(self, means: Mapping[str, float] | None) -> None:
        if means is None:
            return
        progress = self.progress
        for name, value in means.items():
            progress.sums[name] = progress.sums.get(name, 0.0) + value
        progress.counted += 1

    def _validate(self) -> None:
        progress, monitor = self.progress, self.monitor
        with nullcontext() if self.average is None else self.average.applied():
            figures = self.figures()
            self.rate.observe(figures)
            value, best = figures[monitor.figure], progress.best
            better = best is None or (value > best if monitor.higher_is_better else value < best)
            if better:
                progress.best, progress.stale = value, 0
            else:
                progress.stale += 1
            if (better or self.settings.select == "last") and self.fabric.is_global_zero:
                self.keep(figures)
        told = (name for name in self.tables.figures if name in figures)
        shown = "  ".join(f"{name} {figures[name]:.4f}" for name in told)
        self.say(f"validation  {shown}{'  (kept)' if better else ''}")
        step = self.before + progress.step
        if self.fabric.is_global_zero:
            self.tables.validated(step, self.name, figures)
        if self.watch is not None:
            self.watch(Validation(self.name, step, progress.step / self.batches, figures))

    def _tell_left_out(self) -> None:
        """Of clips that turned out to be unreadable, once."""
        for clip, reason in self.left_out().items():
            if clip not in self._told:
                self._told.add(clip)
                self.say(f"left out {clip}: {reason}")

    def _log(self) -> None:
        progress = self.progress
        counted = max(1, progress.counted)
        means = {name: value / counted for name, value in progress.sums.items()}
        progress.sums, progress.counted = {}, 0
        if self.fabric.is_global_zero:
            course = {
                "epoch": round(progress.step / self.batches, 4),
                "seconds": round(progress.seconds, 1),
                "learning_rate": self.optimiser.param_groups[0]["lr"],
                "skipped": progress.skipped,
            }
            self.tables.learnt(self.before + progress.step, self.name, course, means)
        left = progress.seconds / progress.step * (self.total - progress.step)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
        skipped = f"  {progress.skipped} batches skipped" if progress.skipped else ""
        self.say(
            f"{self.name} step {progress.step}/{self.total}  {shown}{skipped}"
            f"  {left / 60:.1f} min left"
        )
