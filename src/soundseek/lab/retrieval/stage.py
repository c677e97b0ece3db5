"""One stage of training: epochs over pairs, validation, and the checkpoint that is kept."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from soundseek.errors import DataError
from soundseek.lab.objectives.objective import Objective
from soundseek.lab.progress import Validation, Watch
from soundseek.lab.retrieval.batches import Batch, BatchMaker
from soundseek.lab.retrieval.build import resources_of, window_samples
from soundseek.lab.retrieval.embedding import embed_clips, embed_texts
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.outputs import pair_batch
from soundseek.lab.retrieval.pairs import Pair, PairOrder
from soundseek.lab.retrieval.prepare import Part, Say
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from soundseek.lab.retrieval.schedules import Rate
from soundseek.lab.retrieval.teachers import Teacher, correspondences
from soundseek.lab.retrieval.trained import keep, stage_file
from soundseek.lab.run_folder import METRICS, VALIDATION, RunFolder
from soundseek.lab.similarities import similarities

_MONITOR = "mAP@10"


@dataclass
class Progress:
    """Where a stage is; all that a resumed run needs besides weights."""

    step: int = 0
    epochs_done: int = 0
    best: float | None = None
    stale: int = 0
    seconds: float = 0.0
    # Since the last row of the table of figures.
    sums: dict[str, float] = field(default_factory=dict)
    counted: int = 0


@dataclass(frozen=True)
class Material:
    """What a stage trains on."""

    train: Part
    validation: Part
    maker: BatchMaker
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
        say: Say,
        *,
        before: int,
        watch: Watch | None = None,
    ) -> None:
        self.name, self.recipe, self.model, self.objective = name, recipe, model, objective
        self.material, self.folder, self.say, self.before = material, folder, say, before
        self.watch = watch
        settings = recipe.optimiser
        self.order = PairOrder(
            material.train.clips,
            each=recipe.data.captions == "each",
            batch=settings.batch,
            seed=recipe.seed,
        )
        self.total = settings.epochs * self.order.batches
        if settings.max_steps is not None:
            self.total = min(self.total, settings.max_steps)
        # A budget shortens the schedule with the training.
        epochs = self.total / self.order.batches
        self.rate = Rate(settings.schedule, settings.learning_rate, self.order.batches, epochs)
        model.audio.hear_windows(window_samples(recipe.audio, model.audio.audio_encoder))
        model.audio.freeze(recipe.audio.frozen)
        model.text.freeze(recipe.text.frozen)
        self.optimiser = _optimiser(recipe, model, objective)
        self.progress = Progress()
        self._epoch: tuple[int, list[list[Pair]]] = (-1, [])

    @property
    def kept(self) -> Path:
        """Where the stage keeps its model."""
        return self.folder.path / stage_file(self.name)

    def run(self) -> None:
        """Train to the end of the stage."""
        started = time.monotonic() - self.progress.seconds
        run = self.recipe.run
        if not self._done():
            parts = (self.material.train, self.material.validation)
            self.model.text.remember(
                caption for part in parts for clip in part.clips for caption in clip.captions
            )
        with ThreadPoolExecutor(1) as ahead:
            waiting = self._ahead(ahead, self.progress.step)
            while not self._done():
                batch = waiting.result()
                waiting = self._ahead(ahead, self.progress.step + 1)
                progress = self.progress
                for name, value in self._learn(batch).items():
                    progress.sums[name] = progress.sums.get(name, 0.0) + value
                progress.counted += 1
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

    def save(self) -> None:
        """The checkpoint that a resumed run starts from."""
        self.folder.save(
            {
                "stage": self.name,
                "before": self.before,
                "resources": json.dumps(resources_of(self.model)),
                "model": self.model.state_dict(),
                "objective": self.objective.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "rate": self.rate.state(),
                "progress": asdict(self.progress),
            }
        )

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from a checkpoint of this stage."""
        self.model.load_state_dict(saved["model"])
        self.objective.load_state_dict(saved["objective"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.rate.restore(saved["rate"])
        self.progress = Progress(**saved["progress"])
        self.folder.rewind(self.before + self.progress.step)
        self.say(f"resumed stage {self.name} at step {self.progress.step}")

    def _done(self) -> bool:
        patience = self.recipe.optimiser.stop_after
        stopped = patience is not None and self.progress.stale >= patience
        return stopped or self.progress.step >= self.total

    def _ahead(self, pool: ThreadPoolExecutor, step: int) -> Future[Batch]:
        return pool.submit(self._batch, step)

    def _batch(self, step: int) -> Batch:
        epoch, number = divmod(step, self.order.batches)
        if self._epoch[0] != epoch:
            self._epoch = (epoch, self.order.epoch(epoch))
        return self.material.maker.training(self._epoch[1][number], epoch, number)

    def _learn(self, batch: Batch) -> dict[str, float]:
        """One step. All chance in it comes from (seed, step): a resumed run has the same."""
        step = self.before + self.progress.step
        torch.manual_seed(self.recipe.seed * 1_000_003 + step)
        self.model.train()
        self.objective.train()
        factor = self.rate.at(self.progress.step)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * factor
        terms = self._terms(batch, step)
        loss = self.objective.total(terms)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        trained = [p for group in self.optimiser.param_groups for p in group["params"]]
        limit = self.recipe.optimiser.clip_norm
        norm = nn.utils.clip_grad_norm_(trained, math.inf if limit is None else limit)
        if not bool(torch.isfinite(norm)):
            self._report_batch(batch, step, f"the gradient's norm is {norm.item()}")
        self.optimiser.step()
        return {"loss": loss.item()} | {name: value.item() for name, value in terms.items()}

    def _terms(self, batch: Batch, step: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(self.recipe.seed * 7_919 + step)
        encoder: Any = self.model.audio.encoder
        if hasattr(encoder, "patchout_generator"):
            encoder.patchout_generator = generator
        events = self.material.train.events
        targets = None
        if self.material.teachers:
            targets = correspondences(self.material.teachers, batch.clips, batch.captions)
        with self._autocast():
            pairs = pair_batch(
                self.model,
                batch,
                self.recipe.augment.audio,
                generator,
                events=None if events is None else torch.from_numpy(events[batch.clips]),
                correspondences=None if targets is None else targets.to(self.model.device),
            )
            try:
                terms: dict[str, Tensor] = self.objective(pairs)
            except DataError as error:
                self._report_batch(batch, step, error.message)
        return terms

    def _report_batch(self, batch: Batch, step: int, what: str) -> None:
        """Say which clips were in a batch that cannot be learnt from, and stop."""
        path = self.folder.path / "refused-batch.json"
        clips = [self.material.train.clips[i].id for i in batch.clips]
        document = {"step": step, "problem": what, "clips": clips, "captions": batch.texts}
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        raise DataError(
            f"step {step} of stage {self.name}: {what}",
            remedy=f"its clips and captions are in {path}; the last checkpoint is kept: look at "
            "them, lower optimiser.learning_rate or set optimiser.clip_norm",
        )

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.recipe.run.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.model.device.type, dtype=torch.bfloat16)

    @torch.no_grad()
    def _validate(self) -> None:
        self.model.eval()
        self.objective.eval()
        part = self.material.validation
        with self._autocast():
            audio = embed_clips(
                self.model, part.store, max_s=self.recipe.audio.max_s, events=part.events
            )
            texts = sorted({caption for clip in part.clips for caption in clip.captions})
            found = similarities(part.clips, audio, texts, embed_texts(self.model, texts))
            figures = {name: metric.value for name, metric in found.metrics().items()}
            schedule = self.recipe.optimiser.schedule
            if schedule.kind == "plateau" and schedule.monitor == "loss":
                figures["loss"] = self._validation_loss()
        self.rate.observe(figures)
        progress = self.progress
        better = progress.best is None or figures[_MONITOR] > progress.best
        if better:
            progress.best, progress.stale = figures[_MONITOR], 0
        else:
            progress.stale += 1
        if better or self.recipe.optimiser.select == "last":
            keep(self.kept, self.model, self.objective.state_dict(), figures)
        row = {"step": self.before + progress.step, "stage": self.name}
        names = ("R@1", "R@5", "R@10", "mAP@10", "mAP@16", "medR", "loss")
        self.folder.append(VALIDATION, row | {name: figures.get(name, math.nan) for name in names})
        shown = "  ".join(f"{name} {figures[name]:.4f}" for name in names if name in figures)
        self.say(f"validation  {shown}{'  (kept)' if better else ''}")
        if self.watch is not None:
            epoch = progress.step / self.order.batches
            self.watch(Validation(self.name, self.before + progress.step, epoch, figures))

    def _validation_loss(self) -> float:
        part = self.material.validation
        maker = BatchMaker(
            part.sounds, self.recipe.augment, self.material.maker.resources, self.recipe.seed
        )
        order = PairOrder(
            part.clips, each=True, batch=self.recipe.optimiser.batch, seed=self.recipe.seed
        )
        generator = torch.Generator().manual_seed(self.recipe.seed)
        losses = []
        for pairs in order.epoch(0):
            batch = maker.plain(pairs)
            events = None if part.events is None else torch.from_numpy(part.events[batch.clips])
            seen = pair_batch(
                self.model, batch, self.recipe.augment.audio, generator, events=events
            )
            losses.append(float(self.objective.total(self.objective(seen))))
        return sum(losses) / len(losses)

    def _log(self) -> None:
        progress = self.progress
        means = {name: value / progress.counted for name, value in progress.sums.items()}
        progress.sums, progress.counted = {}, 0
        row: dict[str, object] = {
            "step": self.before + progress.step,
            "stage": self.name,
            "epoch": round(progress.step / self.order.batches, 4),
            "seconds": round(progress.seconds, 1),
            "learning_rate": self.optimiser.param_groups[0]["lr"],
        }
        names = ["loss", *_all_terms(self.folder)]
        self.folder.append(METRICS, row | {name: means.get(name, math.nan) for name in names})
        left = progress.seconds / progress.step * (self.total - progress.step)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
        self.say(
            f"{self.name} step {progress.step}/{self.total}  {shown}  {left / 60:.1f} min left"
        )


def _all_terms(folder: RunFolder) -> list[str]:
    """Names of the terms of all stages: the columns of the table are the same throughout."""
    document = folder.document()
    lists = [document["objective"], *(s.get("objective", []) for s in document["stages"])]
    most: Counter[str] = Counter()
    for terms in lists:
        most |= Counter(term["term"] for term in terms)
    return sorted(
        name if n == 1 else f"{name}_{n}"
        for name, times in most.items()
        for n in range(1, times + 1)
    )


def _optimiser(
    recipe: RetrievalRecipe, model: RetrievalModel, objective: Objective
) -> torch.optim.Optimizer:
    settings = recipe.optimiser
    parts = (
        (model.audio.encoder, settings.audio_rate),
        (model.text.encoder, settings.text_rate),
        (model.audio.projection, 1.0),
        (model.text.projection, 1.0),
        (objective, 1.0),
    )
    groups = []
    for module, factor in parts:
        peak = settings.learning_rate * factor
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        for decays in (True, False):
            # Weights of linear and convolutional layers decay; norms and biases do not.
            chosen = [parameter for parameter in trained if (parameter.ndim > 1) == decays]
            decay = settings.weight_decay if decays else 0.0
            if chosen:
                groups.append({"params": chosen, "peak": peak, "weight_decay": decay})
    if not groups:
        raise DataError("there is nothing to train", remedy="free an encoder or add a projection")
    kind = torch.optim.Adam if settings.kind == "adam" else torch.optim.AdamW
    return kind(groups, lr=settings.learning_rate)
