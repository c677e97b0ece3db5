"""Training a text tower: one loop, resumable to the same result after any interruption."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from soundseek.errors import DataError
from soundseek.lab.averaging import follow
from soundseek.lab.devices import check_devices, device_of
from soundseek.lab.distilled.build import TextBatcher
from soundseek.lab.environment import write_environment
from soundseek.lab.progress import Validation, Watch
from soundseek.lab.reporting.report import tell_report
from soundseek.lab.run_folder import METRICS, VALIDATION, RunFolder
from soundseek.lab.training.schedules import warmed_cosine
from soundseek.lab.words.figures import examined
from soundseek.lab.words.network import build_network, start_from_teacher
from soundseek.lab.words.order import BatchOrder
from soundseek.lab.words.prepare import Prepared, prepare
from soundseek.lab.words.recipe import ObjectiveSection, WordsRecipe
from soundseek.lab.words.terms import terms, weighted
from soundseek.lab.words.trained import encode

_TERMS = tuple(ObjectiveSection.model_fields)


def train(
    recipe: WordsRecipe,
    run_folder: Path,
    say: Callable[[str], None] = print,
    *,
    watch: Watch | None = None,
) -> Path:
    """Train, or resume what stands in `run_folder`; returns the checkpoint's path.

    The folder gets recipe.json, metrics.csv, validation.csv and last.pt. Raises `RecipeError` if
    it holds a run of another recipe, `DataError` for missing data or where the loss is no number.
    """
    folder = RunFolder.claim(run_folder, recipe)
    write_environment(folder.path)
    if recipe.run.threads is not None:
        torch.set_num_threads(recipe.run.threads)
    check_devices(recipe.run.device, 1, "bf16")
    device = device_of(recipe.run.device)
    saved = folder.saved()
    prepared = prepare(recipe, folder, saved, say, device)
    made = _Loop(recipe, prepared, folder, say, watch, device, resumed=saved is not None).run(saved)
    tell_report(folder.path, say)
    return made


class _Loop:
    def __init__(
        self,
        recipe: WordsRecipe,
        prepared: Prepared,
        folder: RunFolder,
        say: Callable[[str], None],
        watch: Watch | None,
        device: torch.device,
        *,
        resumed: bool,
    ) -> None:
        self.recipe, self.prepared, self.folder = recipe, prepared, folder
        self.say, self.watch, self.device = say, watch, device
        dimension = prepared.taught.shape[1]
        tokenizer = prepared.tokenizer_json
        self.batcher = TextBatcher(tokenizer, recipe.network.max_tokens)
        self.network = build_network(recipe.network, tokenizer, dimension, recipe.seed)
        if recipe.network.start == "teacher" and not resumed:
            start_from_teacher(self.network, tokenizer, prepared.read)
        elif recipe.table.steps:
            self.network.silence_blocks()
        self.average = copy.deepcopy(self.network).eval().to(device)
        self.network.to(device)
        self.optimiser = self._optimiser()
        # Tokens are counted well enough by words, and by letters among texts of as many words.
        lengths = [text.count(" ") * 100 + len(text) for text in prepared.texts]
        self.order = BatchOrder(lengths, recipe.optimiser.batch, recipe.seed)
        self.total = recipe.table.steps + recipe.optimiser.steps
        self.step = 0
        self.seconds = 0.0
        self.logged = (0, 0.0)

    def run(self, saved: dict[str, Any] | None) -> Path:
        if saved is not None:
            self._resume(saved)
        total, run = self.total, self.recipe.run
        started = time.monotonic() - self.seconds
        sums: dict[str, float] = {}
        counted = 0
        while self.step < total:
            found = self._learn()
            counted += 1
            for name, value in found.items():
                sums[name] = sums.get(name, 0.0) + value
            self.seconds = time.monotonic() - started
            last = self.step == total
            if self.step % run.log_steps == 0 or last:
                self._log({name: value / counted for name, value in sums.items()})
                sums, counted = {}, 0
            if self.step % run.evaluate_steps == 0 or last:
                self._validate()
            if self.step % run.checkpoint_steps == 0 or last:
                self._save()
        return self.folder.checkpoint

    def _learn(self) -> dict[str, float]:
        """One step. Dropout draws from (seed, step), so that a resumed run draws the same."""
        chosen = self.order.at(self.step)
        self.step += 1
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)
        self.network.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        ids, mask = self.batcher([self.prepared.texts[i] for i in chosen])
        taught = torch.from_numpy(self.prepared.taught[chosen]).to(self.device).float()
        read = self.network.as_table if self.step <= self.recipe.table.steps else self.network
        # For texts of a few words, the plain formula of attention takes less time than the fused.
        with sdpa_kernel(SDPBackend.MATH):
            with torch.autocast(self.device.type, dtype=torch.bfloat16):
                vectors = read(ids.to(self.device), mask.to(self.device))
            vectors = nn.functional.normalize(vectors.float(), dim=-1)
            found = terms(self.recipe.objective, vectors, taught)
            loss = weighted(self.recipe.objective, found)
            if not bool(torch.isfinite(loss)):
                raise DataError(
                    f"the loss is {loss.item()} at step {self.step}",
                    remedy="lower optimiser.learning_rate; the last checkpoint is kept",
                )
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.optimiser.clip_norm)
        self.optimiser.step()
        follow(self.average, self.network, self.step, self.recipe.optimiser.ema)
        return {"loss": loss.item()} | {name: value.item() for name, value in found.items()}

    def _optimiser(self) -> torch.optim.AdamW:
        settings = self.recipe.optimiser
        groups = []
        for decays in (True, False):
            # The table of tokens: a rare one would decay to nothing between two texts with it.
            chosen = [
                parameter
                for name, parameter in self.network.named_parameters()
                if (parameter.ndim > 1 and name != "encoder.tokens.weight") == decays
            ]
            decay = settings.weight_decay if decays else 0.0
            groups.append({"params": chosen, "weight_decay": decay})
        return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)

    def _rate(self) -> float:
        """Linear warm-up, then a cosine down to 1 % of the peak: once for the table, once more."""
        table, settings = self.recipe.table, self.recipe.optimiser
        if self.step <= table.steps:
            return table.learning_rate * warmed_cosine(self.step, table.warmup_steps, table.steps)
        step = self.step - table.steps
        return settings.learning_rate * warmed_cosine(step, settings.warmup_steps, settings.steps)

    def _log(self, means: dict[str, float]) -> None:
        row: dict[str, float] = {
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "learning_rate": self.optimiser.param_groups[0]["lr"],
            "loss": means["loss"],
        }
        self.folder.append(METRICS, row | {name: means.get(name, math.nan) for name in _TERMS})
        before, self.logged = self.logged, (self.step, self.seconds)
        # The table learns at another pace: while it does, the time left is its own.
        end = self.recipe.table.steps if self.step < self.recipe.table.steps else self.total
        left = (self.seconds - before[1]) / (self.step - before[0]) * (end - self.step)
        shown = "  ".join(f"{name} {means[name]:.4f}" for name in _TERMS if name in means)
        self.say(f"step {self.step}  loss {means['loss']:.4f}  {shown}  {left / 60:.0f} min left")

    def _validate(self) -> None:
        figures = examined(
            lambda texts: encode(self.average, self.batcher, texts), self.prepared.examinations
        )
        self.folder.append(VALIDATION, {"step": self.step, **figures})
        self.say("validation  " + "  ".join(f"{k} {v:.4f}" for k, v in figures.items()))
        if self.watch is not None:
            epoch = self.step * self.recipe.optimiser.batch / len(self.prepared.texts)
            self.watch(Validation("train", self.step, epoch, figures))

    def _save(self) -> None:
        self.folder.save(
            {
                "step": self.step,
                "seconds": self.seconds,
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "tokenizer_json": self.prepared.tokenizer_json,
            }
        )

    def _resume(self, saved: dict[str, Any]) -> None:
        self.network.load_state_dict(saved["network"])
        self.average.load_state_dict(saved["average"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.step, self.seconds = saved["step"], saved["seconds"]
        self.logged = (self.step, self.seconds)
        self.folder.rewind(self.step)
        self.say(f"resumed at step {self.step}")
