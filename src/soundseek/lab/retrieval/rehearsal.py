"""A rehearsal of a training: everything looked at and a few steps made, before an hour is lost.

Nothing is written but into a temporary folder, and nothing is decoded but a few sounds.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch
from lightning_fabric import Fabric

from soundseek.errors import AudioError
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import decoded
from soundseek.lab.memory import available
from soundseek.lab.problems import Problems
from soundseek.lab.retrieval.clips import ClipSets
from soundseek.lab.retrieval.course import course_of
from soundseek.lab.retrieval.disk import disk_needs
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.prepare import Say
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from soundseek.lab.retrieval.rehearsal_checks import (
    checked_clips,
    checked_division,
    checked_folder,
    checked_loggers,
    checked_model,
    checked_teachers,
    checked_texts,
    unreadable,
)
from soundseek.lab.retrieval.rehearsed import PartFigures, Rehearsal, StageFigures
from soundseek.lab.retrieval.stage_time import Speed, score_time, stage_time
from soundseek.lab.retrieval.trial import Trial, Trials, open_trial_fabric

_DECODED: Final = 12
_SMALLER: Final = 8


def rehearse(
    recipe: RetrievalRecipe, run_folder: Path | None = None, say: Say = print
) -> Rehearsal:
    """Look at all that a training of `recipe` into `run_folder` needs, and try each of its stages.

    What is wrong stands in the result's `problems`, all of it; a stage is tried where nothing is.
    """
    problems = Problems()
    standing = checked_folder(recipe, run_folder, problems)
    checked_loggers(recipe, problems)
    fabric = None
    with problems.collecting("run.device"):
        fabric = open_trial_fabric(recipe)
    found = _Found(recipe, say, problems)
    for name, stage in recipe.plain_stages():
        checked_teachers(name, stage, problems)
    model = checked_model(recipe, found.texts(), problems, say)
    device = torch.device("cpu") if fabric is None else fabric.device
    free = available(device)
    trials: dict[str, Trial] = {}
    decode_s = 0.0
    if model is not None and fabric is not None and not len(problems):
        with _threads(recipe.run.threads):
            trials = _tried(recipe, found, model, fabric, problems, say)
            decode_s = _decoding(found, model, say) / recipe.run.workers
    rate = None if model is None else model.audio.audio_encoder.sample_rate
    cache = Path(recipe.run.cache) if recipe.run.cache else (run_folder or Path()) / "cache"
    disk = disk_needs(recipe, run_folder, found.clips, rate, list(trials.values()), problems)
    speed = None if rate is None else Speed(decode_s, rate, device.type)
    stages = []
    for name, stage in recipe.plain_stages():
        if name not in found.clips:
            continue
        clips, trial, expected = found.clips[name], trials.get(name), None
        course = course_of(name, list(found.clips), stage, clips, standing)
        if trial is not None and speed is not None:
            expected = stage_time(stage, clips, trial, course, speed, cache)
        terms = tuple(term.term for term in stage.objective)
        stages.append(StageFigures(name, terms, found.parts[name], course, trial, expected))
    last = list(trials.values())[-1] if trials else None
    return Rehearsal(
        recipe.name,
        _device_name(device),
        recipe.run.devices,
        recipe.run.precision,
        tuple(stages),
        tuple(disk),
        free,
        0.0 if last is None else score_time(last, found.last_test(), decode_s),
        standing,
        (*found.notes, *_remarks(recipe, run_folder)),
        tuple(problems),
    )


class _Found:
    """The clips of every stage whose data is all there, and what is to be said of the others."""

    def __init__(self, recipe: RetrievalRecipe, say: Say, problems: Problems) -> None:
        self.clips: dict[str, ClipSets] = {}
        self.parts: dict[str, dict[str, PartFigures]] = {}
        self.notes: list[str] = []
        known: dict[str, ClipSets | None] = {}
        told: dict[str, dict[str, PartFigures]] = {}
        for name, stage in recipe.plain_stages():
            key = f"{stage.data.model_dump_json()} {stage.augment.text.p_extra > 0}"
            if key not in known:
                known[key] = checked_clips(name, stage, problems, say)
            clips = known[key]
            self.notes += checked_texts(name, stage, clips, problems)
            if clips is None:
                continue
            checked_division(name, stage, clips, problems)
            if key not in told:
                say(f"{name}: reading the headers of its sounds")
                told[key] = _parts(clips)
            self.clips[name], self.parts[name] = clips, told[key]
        self._complete = all(clips is not None for clips in known.values())

    def texts(self) -> list[str]:
        """All training captions; none where some cannot be read."""
        if not self._complete:
            return []
        clips = [clip for sets in self.clips.values() for clip in sets.train]
        return sorted({caption for clip in clips for caption in clip.captions})

    def last_test(self) -> list[Clip]:
        """What the run is scored on."""
        *_, last = self.clips.values() or (ClipSets([], [], []),)
        return last.test


def _parts(clips: ClipSets) -> dict[str, PartFigures]:
    found = {}
    for name in ("train", "validation", "test"):
        part: list[Clip] = getattr(clips, name)
        probed, bad = unreadable(part)
        found[name] = PartFigures(
            len(part),
            sum(len(clip.captions) for clip in part),
            sum(clip.duration_s for clip in part) / 3600,
            probed,
            bad,
            dict(Counter(clip.source for clip in part).most_common()),
        )
    return found


def _tried(
    recipe: RetrievalRecipe,
    found: _Found,
    model: RetrievalModel,
    fabric: Fabric,
    problems: Problems,
    say: Say,
) -> dict[str, Trial]:
    tried = {}
    with tempfile.TemporaryDirectory(prefix="soundseek-rehearsal-") as folder:
        trials = Trials(model, fabric, Path(folder))
        for name, stage in recipe.plain_stages():
            say(f"{name}: trying some steps on the longest sounds")
            with problems.collecting(name):
                trial = _trial(name, stage, found.clips[name], trials, problems)
                if trial is not None:
                    tried[name] = trial
    return tried


def _trial(
    name: str, recipe: RetrievalRecipe, clips: ClipSets, trials: Trials, problems: Problems
) -> Trial | None:
    less = "find the largest that fits with --find-batch, or raise optimiser.accumulate"
    batch = recipe.optimiser.batch // recipe.run.devices // recipe.optimiser.accumulate
    try:
        small = trials.stage(name, recipe, clips, batch=max(2, batch // _SMALLER))
        stage = trials.stage(name, recipe, clips)
        why = trials.too_large(stage, small)
        if why is not None:
            problems.add(f"{name}: optimiser.batch", why, less)
            return None
        texts = [text for clip in clips.validation for text in clip.captions]
        return trials.run(stage, texts)
    except torch.OutOfMemoryError:
        problems.add(
            f"{name}: optimiser.batch",
            f"a batch of {recipe.optimiser.batch} of the longest sounds is too large for the GPU",
            less,
        )
        torch.cuda.empty_cache()
        return None


def _decoding(found: _Found, model: RetrievalModel, say: Say) -> float:
    """Seconds of work to decode a second of sound, from some clips of all stages."""
    clips = [clip for sets in found.clips.values() for clip in sets.train if clip.has_audio]
    chosen = clips[:: max(1, len(clips) // _DECODED)][:_DECODED]
    say(f"decoding {len(chosen)} sounds")
    begun, heard_s = time.perf_counter(), 0.0
    rate = model.audio.audio_encoder.sample_rate
    for clip in chosen:
        try:
            heard_s += len(decoded(clip, rate)) / rate
        except AudioError:
            continue  # told with the headers, and left out in training too
    return (time.perf_counter() - begun) / heard_s if heard_s else 0.0


def _remarks(recipe: RetrievalRecipe, run_folder: Path | None) -> Iterator[str]:
    if run_folder is None:
        yield "no --out was given: the disk is judged where this was started"
    if recipe.run.devices > 1:
        yield (
            f"one process was tried with its share of the batch; all {recipe.run.devices} exchange "
            "gradients and embeddings besides"
        )


def _device_name(device: torch.device) -> str:
    if device.type != "cuda":
        return str(device)
    return f"{device} ({torch.cuda.get_device_name(device)})"


@contextmanager
def _threads(threads: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        if threads is not None:
            torch.set_num_threads(threads)
        yield
    finally:
        torch.set_num_threads(before)
