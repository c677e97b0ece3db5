"""A rehearsal of a training: everything looked at and a few steps made, before an hour is lost.

Nothing is written but into a temporary folder, and nothing is decoded but a few sounds.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from lightning_fabric import Fabric

from soundseek.lab.data.manifest import Clip
from soundseek.lab.memory import available
from soundseek.lab.problems import Problems
from soundseek.lab.retrieval.clips import ClipSets
from soundseek.lab.retrieval.course import course_of
from soundseek.lab.retrieval.disk import disk_needs, parts_of
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
)
from soundseek.lab.retrieval.rehearsed import PartFigures, Rehearsal, StageFigures
from soundseek.lab.retrieval.rehearsing import (
    SMALLER,
    decoding_seconds,
    device_name,
    part_figures,
    remarks,
    threads_of,
)
from soundseek.lab.retrieval.stage_time import Speed, score_time, stage_time
from soundseek.lab.retrieval.trial import Trial, Trials
from soundseek.lab.training.pairs import PairOrder
from soundseek.lab.training.trial import open_trial_fabric


def rehearse(
    recipe: RetrievalRecipe, run_folder: Path | None = None, say: Say = print
) -> Rehearsal:
    """Look at all that a training of `recipe` into `run_folder` needs, and try each of its stages.

    What is wrong stands in the result's `problems`, all of it; a stage is tried where nothing is.
    """
    problems = Problems()
    names = [name for name, _ in recipe.plain_stages()]
    standing = checked_folder(recipe, names, run_folder, problems)
    checked_loggers(recipe.run, problems)
    fabric = None
    with problems.collecting("run.device"):
        fabric = open_trial_fabric(recipe.run)
    found = _Found(recipe, say, problems)
    for name, stage in recipe.plain_stages():
        checked_teachers(name, stage, problems)
    model = checked_model(recipe, found.texts(), problems, say)
    device = torch.device("cpu") if fabric is None else fabric.device
    free = available(device)
    trials: dict[str, Trial] = {}
    decode_s = 0.0
    rate = None if model is None else model.audio.audio_encoder.sample_rate
    if model is not None and fabric is not None and not len(problems):
        with threads_of(recipe.run):
            trials = _tried(recipe, found, model, fabric, problems, say)
            decode_s = decoding_seconds(
                found.trained_on(), model.audio.audio_encoder.sample_rate, say
            )
            decode_s /= recipe.run.workers
    cache = Path(recipe.run.cache) if recipe.run.cache else (run_folder or Path()) / "cache"
    decoded = None if rate is None else found.decoded(rate)
    disk = disk_needs(recipe.run, run_folder, decoded, list(trials.values()), problems)
    speed = None if rate is None else Speed(decode_s, rate, device.type)
    stages = []
    for name, stage in recipe.plain_stages():
        if name not in found.clips:
            continue
        clips, trial, expected = found.clips[name], trials.get(name), None
        order = _order(stage, clips)
        course = course_of(name, list(found.clips), stage.optimiser, order, standing)
        if trial is not None and speed is not None:
            expected = stage_time(stage, clips, trial, course, speed, cache)
        terms = tuple(term.term for term in stage.objective)
        stages.append(StageFigures(name, terms, found.parts[name], course, trial, expected))
    last = list(trials.values())[-1] if trials else None
    return Rehearsal(
        recipe.name,
        device_name(device),
        recipe.run.devices,
        recipe.run.precision,
        tuple(stages),
        tuple(disk),
        free,
        0.0 if last is None else score_time(last, found.last_test(), decode_s),
        standing,
        (*found.notes, *remarks(recipe.run, run_folder, "gradients and embeddings")),
        tuple(problems),
    )


class _Found:
    """The clips of every stage whose data is all there, and what is to be said of the others."""

    def __init__(self, recipe: RetrievalRecipe, say: Say, problems: Problems) -> None:
        self.clips: dict[str, ClipSets] = {}
        self.parts: dict[str, dict[str, PartFigures]] = {}
        self.notes: list[str] = []
        self._stages = dict(recipe.plain_stages())
        known: dict[str, ClipSets | None] = {}
        told: dict[str, dict[str, PartFigures]] = {}
        for name, stage in self._stages.items():
            key = f"{stage.data.model_dump_json()} {stage.augment.text.p_extra > 0}"
            if key not in known:
                known[key] = checked_clips(name, stage, problems, say)
            clips = known[key]
            self.notes += checked_texts(name, stage, clips, problems)
            if clips is None:
                continue
            order = _order(stage, clips)
            checked_division(f"{name}: ", stage.optimiser, stage.run.devices, order, problems)
            if key not in told:
                say(f"{name}: reading the headers of its sounds")
                told[key] = part_figures(clips)
            self.clips[name], self.parts[name] = clips, told[key]
        self._complete = all(clips is not None for clips in known.values())

    def texts(self) -> list[str]:
        """All training captions; none where some cannot be read."""
        if not self._complete:
            return []
        clips = [clip for sets in self.clips.values() for clip in sets.train]
        return sorted({caption for clip in clips for caption in clip.captions})

    def trained_on(self) -> list[Clip]:
        """The training clips of all stages."""
        return [clip for sets in self.clips.values() for clip in sets.train]

    def decoded(self, sample_rate: int) -> list[tuple[list[Clip], int]]:
        """The parts that are decoded before anything is learnt."""
        return [
            (part, sample_rate)
            for name, stage in self._stages.items()
            if name in self.clips and stage.run.decode == "ahead"
            for part in parts_of(self.clips[name])
        ]

    def last_test(self) -> list[Clip]:
        """What the run is scored on."""
        *_, last = self.clips.values() or (ClipSets([], [], []),)
        return last.test


def _order(recipe: RetrievalRecipe, clips: ClipSets) -> PairOrder:
    each = recipe.data.captions == "each"
    return PairOrder(clips.train, each=each, batch=recipe.optimiser.batch, seed=recipe.seed)


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
        small = trials.stage(name, recipe, clips, batch=max(2, batch // SMALLER))
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
