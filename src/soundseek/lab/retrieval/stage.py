"""One stage of training: epochs over pairs, validation, and the checkpoint that is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from soundseek.errors import DataError
from soundseek.lab.averaging import WeightAverage
from soundseek.lab.devices import reduced
from soundseek.lab.feeding import made_ahead
from soundseek.lab.objectives.objective import Objective
from soundseek.lab.progress import Validation, Watch
from soundseek.lab.retrieval.batches import BatchMaker
from soundseek.lab.retrieval.build import resources_of, window_samples
from soundseek.lab.retrieval.learner import Learner, Lesson
from soundseek.lab.retrieval.lessons import Division, LessonMaker
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.nonfinite import NonFinite
from soundseek.lab.retrieval.pairs import PairOrder
from soundseek.lab.retrieval.parameters import Thaw, make_optimiser
from soundseek.lab.retrieval.prepare import Part, Say
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from soundseek.lab.retrieval.schedules import Rate
from soundseek.lab.retrieval.tables import FIGURES, Tables
from soundseek.lab.retrieval.teachers import Teacher
from soundseek.lab.retrieval.trained import keep, stage_file
from soundseek.lab.retrieval.validation import validation_figures
from soundseek.lab.run_folder import RunFolder

_MONITOR: Final = "mAP@10"
_TRAINER: Final = 2  # of what a checkpoint holds; 1 had other parameter groups


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


@dataclass(frozen=True)
class Material:
    """What a stage trains on; the makers are of the training and of the validation part."""

    train: Part
    validation: Part
    maker: BatchMaker
    validation_maker: BatchMaker
    teachers: list[Teacher]


class Stage:
    """Trains `model` by the recipe of one stage. `before`: steps of the stages before it."""

    def __init__(
        self,
        name: str,
        recipe: RetrievalRecipe,
        model: RetrievalModel,
        objective: Objective,
        material: Material,
        folder: RunFolder,
        tables: Tables,
        say: Say,
        *,
        fabric: Fabric,
        before: int,
        watch: Watch | None = None,
    ) -> None:
        self.name, self.recipe, self.model, self.objective = name, recipe, model, objective
        self.material, self.folder, self.say, self.before = material, folder, say, before
        self.fabric, self.watch = fabric, watch
        settings = recipe.optimiser
        self.order = PairOrder(
            material.train.clips,
            each=recipe.data.captions == "each",
            batch=settings.batch,
            seed=recipe.seed,
            bucket=recipe.data.bucket,
        )
        self.total = settings.epochs * self.order.batches
        if settings.max_steps is not None:
            self.total = min(self.total, settings.max_steps)
        # A budget shortens the schedule with the training.
        epochs = self.total / self.order.batches
        self.rate = Rate(settings.schedule, settings.learning_rate, self.order.batches, epochs)
        self.maker = LessonMaker(
            material.train,
            material.maker,
            material.teachers,
            self.order,
            Division(fabric.global_rank, fabric.world_size, settings.accumulate),
            seed=recipe.seed,
            before=before,
            pinned=fabric.device.type == "cuda",
        )
        model.audio.hear_windows(window_samples(recipe.audio, model.audio.audio_encoder))
        # What the stage before froze is free again, but for what an encoder keeps frozen itself.
        for tower, frozen in ((model.audio, recipe.audio.frozen), (model.text, recipe.text.frozen)):
            tower.requires_grad_(True)
            tower.freeze(frozen)
        self.learner = Learner(model, objective, recipe.augment.audio, fabric)
        self.optimiser = make_optimiser(recipe, self.learner)
        self.thaw = Thaw(self.learner, settings)
        self.thaw.at(0.0)
        self.wrapped = fabric.setup_module(self.learner)
        stepper = fabric.setup_optimizers(self.optimiser)
        assert not isinstance(stepper, tuple)
        self.stepper = stepper
        self.average = None if settings.ema is None else WeightAverage(model, settings.ema)
        self.guard = NonFinite(
            self.learner, settings.non_finite, folder.path, name, material.train.clips, fabric
        )
        self.tables = tables
        self.progress = Progress()
        self._told = set(self._left_out())

    @property
    def kept(self) -> Path:
        """Where the stage keeps its model."""
        return self.folder.path / stage_file(self.name)

    def run(self) -> None:
        """Train to the end of the stage."""
        progress, run = self.progress, self.recipe.run
        started = time.monotonic() - progress.seconds
        if not self._done():
            parts = (self.material.train, self.material.validation)
            self.model.text.remember(
                caption for part in parts for clip in part.clips for caption in clip.captions
            )
        for lessons in self._lessons():
            self._count(self._learn(lessons))
            self._tell_left_out()
            progress.step += 1
            progress.seconds = time.monotonic() - started
            if progress.step % run.log_steps == 0 or progress.step == self.total:
                self._log()
            epoch_ends = progress.step % self.order.batches == 0
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

    def learn(self, lessons: Sequence[Lesson]) -> dict[str, float] | None:
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
                "resources": json.dumps(resources_of(self.model)),
                "model": self.model.state_dict(),
                "objective": self.objective.state_dict(),
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
        self.model.load_state_dict(saved["model"])
        self.objective.load_state_dict(saved["objective"])
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
        patience = self.recipe.optimiser.stop_after
        stopped = patience is not None and self.progress.stale >= patience
        return stopped or self.progress.step >= self.total

    def _lessons(self) -> Iterator[list[Lesson]]:
        end = self.progress.step if self._done() else self.total
        return made_ahead(
            self.maker.lessons, self.progress.step, end, workers=self.recipe.run.workers
        )

    def _learn(self, lessons: Sequence[Lesson]) -> dict[str, float] | None:
        """One step; None where it taught nothing. All chance in it comes from (seed, step) and the
        process: a resumed run has the same."""
        progress, rank = self.progress, self.fabric.global_rank
        step = self.before + progress.step
        torch.manual_seed(self.recipe.seed * 1_000_003 + step + rank * 15_485_863)
        if self.thaw.at(progress.step / self.order.batches) and self.fabric.world_size > 1:
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
            self.say(self.guard.refuse(problem, step, lessons, progress.skipped_in_a_row))
            self.guard.undo()
            return None
        progress.skipped_in_a_row = 0
        self.stepper.step()
        if self.average is not None:
            self.average.update(progress.step + 1)
        return means

    def _gradients(self, lessons: Sequence[Lesson]) -> tuple[dict[str, float], str | None]:
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
                loss = self.objective.total(terms) / len(lessons)
                self.fabric.backward(loss)
            values = torch.stack([loss, *(value / len(lessons) for value in terms.values())])
            if self.fabric.world_size > 1:
                values = reduced(self.fabric, values.detach(), "sum") / self.fabric.world_size
            for name, value in zip(("loss", *terms), values.tolist(), strict=True):
                means[name] = means.get(name, 0.0) + value
        return means, None

    def _clip(self) -> str | None:
        """Clip the gradients, where the recipe says so; what is wrong with them."""
        limit = self.recipe.optimiser.clip_norm
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
        if self.recipe.run.precision == "fp16" or bool(torch.isfinite(norm)):
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
        progress = self.progress
        with nullcontext() if self.average is None else self.average.applied():
            figures = validation_figures(
                self.recipe,
                self.model,
                self.objective,
                self.material.validation,
                self.material.validation_maker,
                self.fabric,
            )
            self.rate.observe(figures)
            better = progress.best is None or figures[_MONITOR] > progress.best
            if better:
                progress.best, progress.stale = figures[_MONITOR], 0
            else:
                progress.stale += 1
            if (better or self.recipe.optimiser.select == "last") and self.fabric.is_global_zero:
                keep(self.kept, self.model, self.objective.state_dict(), figures)
        shown = "  ".join(f"{name} {figures[name]:.4f}" for name in FIGURES if name in figures)
        self.say(f"validation  {shown}{'  (kept)' if better else ''}")
        step = self.before + progress.step
        if self.fabric.is_global_zero:
            self.tables.validated(step, self.name, figures)
        if self.watch is not None:
            epoch = progress.step / self.order.batches
            self.watch(Validation(self.name, step, epoch, figures))

    def _left_out(self) -> dict[str, str]:
        return {**self.material.train.left_out, **self.material.validation.left_out}

    def _tell_left_out(self) -> None:
        """Of clips that turned out to be unreadable, once."""
        for clip, reason in self._left_out().items():
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
                "epoch": round(progress.step / self.order.batches, 4),
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
