"""Training the embedded model: one loop, resumable to the same result after any interruption."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from soundseek.errors import DataError
from soundseek.lab.augment.equalise import band_gains_db, equalised
from soundseek.lab.augment.mixing import MixingRange
from soundseek.lab.distilled.build import TextBatcher, build_biencoder, window_and_hop
from soundseek.lab.distilled.items import ItemMaker, Items
from soundseek.lab.distilled.prepare import Prepared, prepare
from soundseek.lab.distilled.recipe import ObjectiveSection, Recipe
from soundseek.lab.distilled.terms import FeatureMatch, audio_terms, contrastive_term, lesson
from soundseek.lab.distilled.validation import validation_scores
from soundseek.lab.environment import write_environment
from soundseek.lab.progress import Validation, Watch
from soundseek.lab.reporting.report import tell_report
from soundseek.lab.run_folder import METRICS, VALIDATION, RunFolder

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
    it holds a run of another recipe.
    """
    folder = RunFolder.claim(run_folder, recipe)
    write_environment(folder.path)
    if recipe.run.threads is not None:
        torch.set_num_threads(recipe.run.threads)
    prepared = prepare(recipe, folder.cache, say)
    saved = folder.saved()
    if saved is not None:
        prepared = _as_saved(prepared, saved)
    made = _Loop(recipe, prepared, folder, say, watch).run(saved)
    tell_report(folder.path, say)
    return made


class _Loop:
    def __init__(
        self,
        recipe: Recipe,
        prepared: Prepared,
        folder: RunFolder,
        say: Callable[[str], None],
        watch: Watch | None,
    ) -> None:
        self.recipe, self.prepared, self.folder, self.say = recipe, prepared, folder, say
        self.watch = watch
        self.batcher = TextBatcher(prepared.tokenizer_json, recipe.text.max_tokens)
        self.model = build_biencoder(recipe, prepared.anchors, prepared.tokenizer_json)
        self.match = FeatureMatch(recipe.audio.width)
        self.trained = nn.ModuleDict({"model": self.model, "match": self.match})
        self.model.audio_encoder.body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = build_biencoder(recipe, prepared.anchors, prepared.tokenizer_json)
        self.average.load_state_dict(self.model.state_dict())
        self.average.eval()
        self.optimiser = self._optimiser()
        self.spec = self.model.audio_encoder.frontend.spec
        self.items = ItemMaker(
            prepared.store,
            prepared.captions,
            _ranges(recipe),
            self.spec,
            window_samples=window_and_hop(recipe, self.spec)[0],
            collage=recipe.augment.collage,
            seed=recipe.seed,
        )
        self.step = 0
        self.seconds = 0.0

    def run(self, saved: dict[str, Any] | None) -> Path:
        if saved is not None:
            self._resume(saved)
        total = self.recipe.optimiser.steps
        started = time.monotonic() - self.seconds
        sums: dict[str, float] = {}
        counted = 0
        with ThreadPoolExecutor(1) as ahead:
            waiting = self._ahead(ahead)
            while self.step < total:
                items, self.step = waiting.result(), self.step + 1
                waiting = self._ahead(ahead)
                terms = self._learn(items)
                counted += 1
                for name, value in terms.items():
                    sums[name] = sums.get(name, 0.0) + value
                self.seconds = time.monotonic() - started
                if self.step % self.recipe.run.log_steps == 0 or self.step == total:
                    self._log({name: value / counted for name, value in sums.items()})
                    sums, counted = {}, 0
                if self.step % self.recipe.run.evaluate_steps == 0 or self.step == total:
                    self._validate()
                if self.step % self.recipe.run.checkpoint_steps == 0 or self.step == total:
                    self._save()
        return self.folder.checkpoint

    def _ahead(self, pool: ThreadPoolExecutor) -> Future[Items]:
        return pool.submit(self.items.make, self.step, self.recipe.optimiser.windows)

    def _learn(self, items: Items) -> dict[str, float]:
        """One step. Dropout draws from (seed, step), so that a resumed run draws the same."""
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)
        self.trained.train()
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * self._rate()
        terms = self._terms(items)
        weights = self.recipe.objective.model_dump()
        loss = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
        if not bool(torch.isfinite(loss)):
            raise DataError(
                f"the loss is {loss.item()} at step {self.step}",
                remedy="lower optimiser.learning_rate; the last checkpoint is kept",
            )
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.trained.parameters(), self.recipe.optimiser.clip_norm)
        self.optimiser.step()
        self._follow()
        return {"loss": loss.item()} | {name: value.item() for name, value in terms.items()}

    def _terms(self, items: Items) -> dict[str, Tensor]:
        features = self._features(items)
        lengths = torch.from_numpy(items.lengths)
        output = self.model.encode_audio(features, lengths)
        taught = lesson(self.prepared.yamnet, self.prepared.teacher, features, output.encoding.mask)
        terms = audio_terms(output, taught, self.match)
        chosen = self._some_texts()
        texts = self._encode_text([self.prepared.texts[i] for i in chosen])
        target = torch.from_numpy(self.prepared.text_vectors[chosen])
        terms["text_embedding"] = (1.0 - (texts * target).sum(-1)).mean()
        if len(items.captions) > 1:
            terms["nt_xent"] = contrastive_term(
                self.model,
                output.embedding[torch.from_numpy(items.captioned)],
                self._encode_text(items.captions),
                torch.from_numpy(items.groups),
            )
        return terms

    def _some_texts(self) -> NDArray[np.int64]:
        """Random texts of about one length: a run out of a larger draw sorted by length, so that
        little of the batch is padding."""
        rng = np.random.default_rng((self.recipe.seed, self.step, 2))
        n = self.recipe.optimiser.texts
        drawn = rng.integers(len(self.prepared.texts), size=8 * n)
        drawn = drawn[np.argsort([len(self.prepared.texts[i]) for i in drawn], kind="stable")]
        start = n * int(rng.integers(8))
        return drawn[start : start + n]

    def _encode_text(self, texts: list[str]) -> Tensor:
        ids, mask = self.batcher(texts)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.model.encode_text(ids, mask).float()

    @torch.no_grad()
    def _features(self, items: Items) -> Tensor:
        features = self.model.audio_encoder.features(torch.from_numpy(items.waveforms))
        gains = band_gains_db(torch.from_numpy(items.tilts_db), self.spec)
        return equalised(features, gains, self.spec)

    def _optimiser(self) -> torch.optim.AdamW:
        settings = self.recipe.optimiser
        groups = []
        for parameters, peak in (
            (_named(self.trained, text=False), settings.learning_rate),
            (_named(self.trained, text=True), settings.text_learning_rate),
        ):
            for decays in (True, False):
                chosen = [p for p in parameters if (p.ndim > 1) == decays]
                decay = settings.weight_decay if decays else 0.0
                groups.append({"params": chosen, "peak": peak, "weight_decay": decay})
        return torch.optim.AdamW(groups, lr=settings.learning_rate)

    def _rate(self) -> float:
        """Linear warm-up, then a cosine down to 1 % of the peak."""
        settings = self.recipe.optimiser
        if self.step <= settings.warmup_steps:
            return self.step / max(1, settings.warmup_steps)
        done = (self.step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
        return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))

    @torch.no_grad()
    def _follow(self) -> None:
        """The average follows the model, quickly at first."""
        decay = min(self.recipe.optimiser.ema, (1.0 + self.step) / (10.0 + self.step))
        theirs = dict(self.model.state_dict())
        for name, mine in self.average.state_dict().items():
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs[name], 1.0 - decay)
            else:
                mine.copy_(theirs[name])

    def _log(self, means: dict[str, float]) -> None:
        terms = {name: means[name] for name in _TERMS if name in means}
        row: dict[str, float] = {
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "learning_rate": self.optimiser.param_groups[0]["lr"],
            "loss": means["loss"],
        }
        self.folder.append(METRICS, row | {name: terms.get(name, math.nan) for name in _TERMS})
        left = self.seconds / self.step * (self.recipe.optimiser.steps - self.step)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in terms.items())
        self.say(f"step {self.step}  loss {means['loss']:.4f}  {shown}  {left / 60:.0f} min left")

    def _validate(self) -> None:
        scores = validation_scores(
            self.average,
            self.prepared.validation,
            self.prepared.validation_store,
            self.batcher,
            window_samples=self.items.window_samples,
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
                "tokenizer_json": self.prepared.tokenizer_json,
                "anchors": self.prepared.anchors,
                "teacher": self.prepared.teacher.state_dict(),
            }
        )

    def _resume(self, saved: dict[str, Any]) -> None:
        self.trained.load_state_dict(saved["trained"])
        self.average.load_state_dict(saved["average"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.step, self.seconds = saved["step"], saved["seconds"]
        self.folder.rewind(self.step)
        self.say(f"resumed at step {self.step}")


def _as_saved(prepared: Prepared, saved: dict[str, Any]) -> Prepared:
    """With the tokenizer, the anchors and the fitted teacher that the checkpoint was trained with:
    another version of a library might make them a little different."""
    prepared.teacher.load_state_dict(saved["teacher"])
    return replace(prepared, tokenizer_json=saved["tokenizer_json"], anchors=saved["anchors"])


def _named(trained: nn.ModuleDict, *, text: bool) -> list[nn.Parameter]:
    return [
        parameter
        for name, parameter in trained.named_parameters()
        if name.startswith("model.text_") == text
    ]


def _ranges(recipe: Recipe) -> MixingRange:
    augment = recipe.augment
    return MixingRange(
        probability=augment.mix_probability,
        balance_db=augment.balance_db,
        gain_db=augment.gain_db,
        speed=augment.speed,
        tilt_db=augment.tilt_db,
    )
