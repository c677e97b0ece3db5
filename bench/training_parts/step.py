"""A step of the trainer beside a plain loop of the same model over the same batches in memory."""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.nn import functional as F

from soundseek.lab.retrieval.learner import Lesson
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from training_parts.children import Case, Found, in_child, median, most, peak_mb, rounds, table
from training_parts.recipes import OF_THE_LARGE, SIZES, SYSTEMS, recipe_of
from training_parts.set_up import built, lessons_of, noise_part, stage_of

WAYS = ("soundseek", "plain")
_CLIPS_PER_PAIR = 4
_COMPARED = 4  # first steps whose losses both loops must agree in
_WARM = 2
_TEMPERATURE = 0.07
# Relative; in bf16 a different order of the same sums shows.
_TOLERANCE = {"fp32": 1e-4, "bf16": 2e-2}

Loop = Callable[[list[Lesson]], float]


def step(options: argparse.Namespace, _: Path) -> dict[str, Any]:
    """Print the tables and return their figures; ends where the losses do not agree."""
    large = options.large or options.device == "cuda"
    systems = [name for name in SYSTEMS if large or name not in OF_THE_LARGE]
    cases: list[Case] = [
        {"system": system, "precision": precision}
        for system in options.systems or systems
        for precision in options.precision
    ]
    print(f"Step: {options.steps} steps of each loop by turns, {options.device}\n")
    found = rounds("step", cases, options)
    peaks = {
        way: [in_child("step", {**case, "way": way}, options) for case in cases] for way in WAYS
    }
    columns = (
        "system",
        "batch",
        "precision",
        "soundseek, ms",
        "plain, ms",
        "more, ms",
        "more",
        "of memory, MB",
        "plain",
        "losses differ by",
    )
    rows = []
    for number, (case, runs) in enumerate(zip(cases, found, strict=True)):
        size, seconds = _size(case["system"], options)
        more, plain = median(runs, "more_ms"), median(runs, "plain_ms")
        rows.append(
            (
                case["system"],
                f"{size} × {seconds:g} s",
                case["precision"],
                f"{median(runs, 'soundseek_ms'):.1f}",
                f"{plain:.1f}",
                f"{more:+.1f}",
                f"{100 * more / plain:+.1f} %",
                *(f"{peaks[way][number]['peak_mb']:,.0f}" for way in WAYS),
                f"{most(runs, 'apart'):.1e}",
            )
        )
    table(columns, rows)
    far = [
        f"{case['system']} {case['precision']}: {most(runs, 'apart'):.1e}"
        for case, runs in zip(cases, found, strict=True)
        if not most(runs, "apart") <= _TOLERANCE[case["precision"]]
    ]
    if far:
        raise SystemExit("the losses of the two loops do not agree: " + "; ".join(far))
    return {"steps": [cases, found], "peaks": peaks}


def measured_step(case: Case, options: argparse.Namespace) -> Found:
    """Both loops by turns, or one alone (`way`) for its memory, in a process of its own."""
    torch.set_num_threads(options.threads)
    recipe = _recipe(case, options)
    with TemporaryDirectory() as folder:
        size, seconds = _size(case["system"], options)
        clips = size * _CLIPS_PER_PAIR
        model = built(recipe, clips)
        part = noise_part(model, clips, seconds)
        lessons = lessons_of(recipe, part, _CLIPS_PER_PAIR, pinned=options.device == "cuda")
        wanted = (case["way"],) if "way" in case else WAYS
        loops: dict[str, Loop] = {}
        for way in wanted:
            # Of the same weights; the last takes the model itself: one alone is all there is.
            own = model if way == wanted[-1] else copy.deepcopy(model)
            if way == "plain":
                loops[way] = _plain(recipe, own.to(options.device), case["precision"])
            else:
                loops[way] = _trainer(recipe, own, part, Path(folder) / "run")
        if "way" in case:
            return _peak(loops[case["way"]], lessons, options.device)
        return _by_turns(loops, lessons, options)


def _by_turns(
    loops: dict[str, Loop], lessons: Sequence[list[Lesson]], options: argparse.Namespace
) -> Found:
    losses: dict[str, list[float]] = {way: [] for way in loops}
    taken: dict[str, list[float]] = {way: [] for way in loops}
    for number in range(_WARM + options.steps):
        lesson = lessons[number % len(lessons)]
        # Who comes second finds the machine warm: each is that every other time.
        for way in WAYS if number % 2 == 0 else reversed(WAYS):
            _synchronised(options.device)
            started = time.perf_counter()
            loss = loops[way](lesson)
            _synchronised(options.device)
            if number >= _WARM:
                taken[way].append(time.perf_counter() - started)
            losses[way].append(loss)
    ours, plain = (losses[way][:_COMPARED] for way in WAYS)
    pairs = list(zip(*(taken[way] for way in WAYS), strict=True))
    return {
        **{f"{way}_ms": 1000 * statistics.median(taken[way]) for way in WAYS},
        "more_ms": 1000 * statistics.median(one - other for one, other in pairs),
        "apart": max(abs(a - b) / abs(b) for a, b in zip(ours, plain, strict=True)),
        "losses": losses,
    }


def _peak(loop: Loop, lessons: Sequence[list[Lesson]], device: str) -> Found:
    for lesson in lessons:
        loop(lesson)
    if device == "cuda":
        return {"peak_mb": torch.cuda.max_memory_allocated() / 2**20}
    return {"peak_mb": peak_mb()}


def _trainer(recipe: RetrievalRecipe, model: RetrievalModel, part: Any, folder: Path) -> Loop:
    stage = stage_of(recipe, model, part, folder)

    def learn(lessons: list[Lesson]) -> float:
        means = stage._learn(lessons)
        stage._count(means)
        stage.progress.step += 1
        return float("nan") if means is None else means["loss"]

    return learn


def _plain(recipe: RetrievalRecipe, model: RetrievalModel, precision: str) -> Loop:
    """As one would write it for this model alone."""
    device = model.device
    rate = recipe.optimiser.learning_rate
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    audio, text = model.audio, model.text
    half = precision == "bf16"
    model.train()

    def learn(lessons: list[Lesson]) -> float:
        batch = lessons[0].batch
        optimiser.zero_grad(set_to_none=True)
        waveforms = batch.waveforms.to(device, non_blocking=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            with torch.no_grad():
                features = audio.audio_encoder.features(waveforms)
            ids, mask = text.text_encoder.tokenise(batch.texts)
            read = text.encoder(ids.to(device), mask.to(device)).pooled
            heard = F.normalize(audio.projection(audio.encoder(features).pooled), dim=-1)
            read = F.normalize(text.projection(read), dim=-1)
        logits = heard.float() @ read.float().T / _TEMPERATURE
        own = torch.arange(len(logits), device=device)
        loss = 0.5 * (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own))
        loss.backward()
        optimiser.step()
        return loss.item()

    return learn


def _recipe(case: Case, options: argparse.Namespace) -> RetrievalRecipe:
    size, seconds = _size(case["system"], options)
    return recipe_of(
        case["system"],
        audio={"max_s": seconds},
        optimiser={"batch": size},
        run={
            "device": options.device,
            "precision": case["precision"],
            "threads": options.threads,
        },
    )


def _size(system: str, options: argparse.Namespace) -> tuple[int, float]:
    return SIZES[system][options.device]


def _synchronised(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
