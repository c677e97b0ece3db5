"""Training the audio tower: one loop, resumable to the same result after any interruption."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.errors import DataError
from soundseek.lab.audio_encoders.mobile import MobileNet
from soundseek.lab.averaging import follow
from soundseek.lab.devices import check_devices, device_of
from soundseek.lab.distilled.build import build_tower, window_and_hop
from soundseek.lab.distilled.lessons import Lessons
from soundseek.lab.distilled.plans import Plan, Planner
from soundseek.lab.distilled.prepare import cache_of, prepare
from soundseek.lab.distilled.recipe import ObjectiveSection, Recipe
from soundseek.lab.distilled.rendering import Renderer
from soundseek.lab.distilled.terms import FeatureMatch, audio_terms, contrastive_term, lesson
from soundseek.lab.distilled.validation import validation_scores
from soundseek.lab.environment import write_environment
from soundseek.lab.progress import Validation, Watch
from soundseek.lab.reporting.report import tell_report
from soundseek.lab.run_folder import METRICS, VALIDATION, RunFolder
from soundseek.lab.training.schedules import warmed_cosine

_TERMS = tuple(ObjectiveSection.model_fields)


def train(
    recipe: Recipe,
    run_folder: Path,
    say: Callable[[str], None] = print,
    *,
    watch: Watch | None = None,
) -> Path:
    """Train, or resume what stands in `run_folder`; returns the checkpoint's path.

    The folder gets recipe.json, metrics.csv, validation.csv and last.pt. Raises `RecipeError` if
    it holds a run of another recipe and where the device is not there, `DataError` for missing data
    and where the loss is no number.
    """
    folder = RunFolder.claim(run_folder, recipe)
    write_environment(folder.path)
    if recipe.run.threads is not None:
        torch.set_num_threads(recipe.run.threads)
    check_devices(recipe.run.device, 1, "bf16")
    made = train_on(prepare(recipe, cache_of(recipe, folder), say), recipe, folder, say, watch)
    tell_report(folder.path, say)
    return made


def train_on(
    lessons: Lessons,
    recipe: Recipe,
    folder: RunFolder,
    say: Callable[[str], None] = print,
    watch: Watch | None = None,
) -> Path:
    """As `train`, from lessons that are prepared already."""
    saved = folder.saved()
    if saved is not None:
        lessons = _as_saved(lessons, saved)
    return Training(recipe, lessons, folder, say, watch).run(saved)


class Training:
    """A run in progress: `learn` makes one step, `run` all that are left."""

    def __init__(
        self,
        recipe: Recipe,
        lessons: Lessons,
        folder: RunFolder,
        say: Callable[[str], None] = print,
        watch: Watch | None = None,
    ) -> None:
        self.recipe, self.folder, self.say, self.watch = recipe, folder, say, watch
        self.lessons = lessons
        self.device = device_of(recipe.run.device)
        self.tower = build_tower(recipe, lessons.anchors)
        self.match = FeatureMatch(recipe.audio.width)
        self.trained = nn.ModuleDict({"tower": self.tower, "match": self.match}).to(self.device)
        self.tower.encoder.body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.device.type == "cuda":
            _avoid_group_by_group(self.tower.encoder)
        self.average = build_tower(recipe, lessons.anchors).to(self.device)
        self.average.load_state_dict(self.tower.state_dict())
        self.average.eval()
        self.yamnet = lessons.yamnet.to(self.device)
        self.teacher = lessons.teacher.to(self.device)
        self.vectors = lessons.vectors.to(self.device)
        spec = self.tower.encoder.frontend.spec
        self.window_samples = window_and_hop(recipe, spec)[0]
        self.planner = Planner(
            lessons.offsets[1:] - lessons.offsets[:-1],
            lessons.captioned,
            recipe.augment,
            window_samples=self.window_samples,
            bands=spec.bands,
            seed=recipe.seed,
        )
        self.renderer = Renderer(
            lessons.samples,
            lessons.offsets,
            self.tower.encoder.frontend,
            window_samples=self.window_samples,
        ).to(self.device)
        self.optimiser = self._optimiser()
        self.step = 0
        self.seconds = 0.0

    def run(self, saved: dict[str, Any] | None) -> Path:
        """Train to the end from the checkpoint `saved`, or from the beginning."""
        if saved is not None:
            self._resume(saved)
        total, run = self.recipe.optimiser.steps, self.recipe.run
        started = time.monotonic() - self.seconds
        since: list[dict[str, Tensor]] = []
        while self.step < total:
            self.step += 1
            since.append(self.learn(self.planner.draw(self.step, self.recipe.optimiser.windows)))
            end = self.step == total
            saves = self.step % run.checkpoint_steps == 0 or end
            if self.step % run.log_steps == 0 or saves:
                means = self._means(since)
                since = []
                self.seconds = time.monotonic() - started
                self._log(means)
            if self.step % run.evaluate_steps == 0 or end:
                self._validate()
            if saves:
                self._save()
        return self.folder.checkpoint

    def learn(self, plan: Plan) -> dict[str, Tensor]:
        """One step, its loss and terms. Dropout draws from (seed, step), so that a resumed run
        draws the same."""
        seed = self.recipe.seed * 1_000_003 + self.step
        torch.manual_seed(seed)
        self.trained.train()
        settings = self.recipe.optimiser
        rate = settings.learning_rate * warmed_cosine(
            self.step, settings.warmup_steps, settings.steps
        )
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        terms = self._terms(plan, seed)
        weights = self.recipe.objective.model_dump()
        loss = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.trained.parameters(), settings.clip_norm)
        self.optimiser.step()
        follow(self.average, self.tower, self.step, settings.ema)
        return {"loss": loss.detach()} | {name: value.detach() for name, value in terms.items()}

    def _terms(self, plan: Plan, seed: int) -> dict[str, Tensor]:
        features, lengths = self.renderer(plan, seed)
        on_gpu = self.device.type == "cuda" and self.recipe.run.bf16
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=on_gpu):
            output = self.tower(features, lengths)
            matched = self.match(output.encoding.sequence)
        output = output._replace(embedding=output.embedding.float(), logits=output.logits.float())
        taught = lesson(self.yamnet, self.teacher, features, output.encoding.mask)
        terms = audio_terms(output, taught, matched.float())
        if len(plan.captioned) > 1:
            rows = torch.from_numpy(plan.rows).to(self.device)
            texts = self.vectors[rows.clamp(min=0)] * (rows >= 0)[..., None]
            terms["nt_xent"] = contrastive_term(
                output.embedding[torch.from_numpy(plan.captioned).to(self.device)],
                F.normalize(texts.sum(1), dim=-1),
                self.tower.scale,
                torch.from_numpy(plan.groups).to(self.device),
            )
        return terms

    def _optimiser(self) -> torch.optim.AdamW:
        settings = self.recipe.optimiser
        groups = []
        for decays in (True, False):
            chosen = [p for p in self.trained.parameters() if (p.ndim > 1) == decays]
            decay = settings.weight_decay if decays else 0.0
            groups.append({"params": chosen, "weight_decay": decay})
        fused = self.device.type == "cuda"
        return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=fused)

    def _means(self, since: list[dict[str, Tensor]]) -> dict[str, float]:
        """Means of what was noted since the last time. Not looked at step by step: a GPU would
        have to wait for it. Raises `DataError` where a loss is no number."""
        losses = torch.stack([noted["loss"] for noted in since]).tolist()
        for step, loss in enumerate(losses, start=self.step - len(losses) + 1):
            if not math.isfinite(loss):
                raise DataError(
                    f"the loss is {loss} at step {step}",
                    remedy="lower optimiser.learning_rate; the last checkpoint is kept",
                )
        means = {"loss": sum(losses) / len(losses)}
        for name in _TERMS:
            values = [noted[name] for noted in since if name in noted]
            if values:
                means[name] = float(torch.stack(values).mean())
        return means

    def _log(self, means: dict[str, float]) -> None:
        row: dict[str, float] = {
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "learning_rate": self.optimiser.param_groups[0]["lr"],
            "loss": means["loss"],
        }
        self.folder.append(METRICS, row | {name: means.get(name, math.nan) for name in _TERMS})
        left = self.seconds / self.step * (self.recipe.optimiser.steps - self.step)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
        self.say(f"step {self.step}  {shown}  {left / 60:.1f} min left")

    def _validate(self) -> None:
        if self.lessons.validation is None:
            return
        scores = validation_scores(
            self.average, self.lessons.validation, window_samples=self.window_samples
        )
        self.folder.append(VALIDATION, {"step": self.step, **scores})
        self.say("validation  " + "  ".join(f"{k} {v:.4f}" for k, v in scores.items()))
        if self.watch is not None:
            # Windows are drawn, not gone through: a step in time is the only measure.
            self.watch(Validation("train", self.step, float(self.step), scores))

    def _save(self) -> None:
        self.folder.save(
            {
                "step": self.step,
                "seconds": self.seconds,
                "trained": self.trained.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "anchors": self.lessons.anchors,
                "teacher": self.teacher.state_dict(),
            }
        )

    def _resume(self, saved: dict[str, Any]) -> None:
        if "trained" not in saved:
            raise DataError(
                f"{self.folder.path} holds what another machine sent back: it can be exported, but "
                "not be trained further",
                remedy="choose another --out to train anew",
            )
        self.trained.load_state_dict(saved["trained"])
        self.average.load_state_dict(saved["average"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.step, self.seconds = saved["step"], saved["seconds"]
        self.folder.rewind(self.step)
        self.say(f"resumed at step {self.step}")


def _avoid_group_by_group(encoder: MobileNet) -> None:
    """cuDNN runs depthwise convolutions over maps smaller than their kernel group by group, with
    thousands of launches a step, where memory is in the order of channels; PyTorch's own kernel,
    chosen for the other order, takes one."""
    for block in list(encoder.body)[-3:-1]:
        for layer in block.modules():
            if isinstance(layer, nn.Conv2d) and layer.groups > 1:
                layer.register_forward_pre_hook(lambda _, inputs: inputs[0].contiguous())


def _as_saved(lessons: Lessons, saved: dict[str, Any]) -> Lessons:
    """With the anchors and the fitted teacher that the checkpoint was trained with: another version
    of a library might make them a little different."""
    lessons.teacher.load_state_dict(saved["teacher"])
    return replace(lessons, anchors=saved["anchors"])
