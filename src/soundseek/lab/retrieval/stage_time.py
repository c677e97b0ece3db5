"""How long a stage is likely to take, from what a trial of it took."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import store_file
from soundseek.lab.retrieval.clips import ClipSets
from soundseek.lab.retrieval.course import Course
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from soundseek.lab.retrieval.rehearsed import StageTime
from soundseek.lab.retrieval.trial import CLIPS_AT_ONCE, TEXTS_AT_ONCE, Trial


@dataclass(frozen=True)
class Speed:
    """Seconds to decode a second of sound to `sample_rate`, and the kind of device."""

    decode_s: float
    sample_rate: int
    device: str


def stage_time(
    recipe: RetrievalRecipe,
    clips: ClipSets,
    trial: Trial,
    course: Course,
    speed: Speed,
    cache: Path,
) -> StageTime:
    """`cache`: where decoded sounds may lie already. Batches are made by threads: beside a GPU, but
    on the processor that learns."""
    decode_s = speed.decode_s
    run, settings = recipe.run, recipe.optimiser
    ahead = run.decode == "ahead"
    batch_s = settings.batch / run.devices * _mean_duration(clips.train)
    read_s = 0.0 if ahead else decode_s * batch_s
    if speed.device == "cpu":
        step_s = trial.step_s + trial.make_s + read_s
    else:
        step_s = max(trial.step_s, trial.make_s / run.workers + read_s)
    validations = math.ceil(course.steps_left / (course.steps_per_epoch * run.evaluate_epochs))
    return StageTime(
        _preparing(recipe, clips, trial, decode_s if ahead else 0.0, speed.sample_rate, cache)
        if course.steps_left
        else 0.0,
        course.steps_left * step_s,
        validations * _validating(recipe, clips.validation, trial) / run.devices,
    )


def score_time(trial: Trial, clips: Sequence[Clip], decode_s: float) -> float:
    """Seconds to hear the test clips and read their captions at the end."""
    texts = sum(len(clip.captions) for clip in clips)
    heard = decode_s * sum(clip.duration_s for clip in clips)
    return heard + _embedding(trial, len(clips), texts)


def _preparing(
    recipe: RetrievalRecipe,
    clips: ClipSets,
    trial: Trial,
    decode_s: float,
    sample_rate: int,
    cache: Path,
) -> float:
    parts = (clips.train, clips.validation)
    seconds = sum(
        decode_s * sum(clip.duration_s for clip in part)
        for part in parts
        if not store_file(part, sample_rate, cache).exists()
    )
    texts = sum(len(clip.captions) for part in parts for clip in part)
    if recipe.text.frozen:
        seconds += _embedding(trial, 0, texts)
    return seconds + len(recipe.teachers) * _embedding(
        trial, len(clips.train), sum(len(clip.captions) for clip in clips.train)
    )


def _validating(recipe: RetrievalRecipe, clips: Sequence[Clip], trial: Trial) -> float:
    texts = sum(len(clip.captions) for clip in clips)
    seconds = _embedding(trial, len(clips), 0 if recipe.text.frozen else texts)
    schedule = recipe.optimiser.schedule
    if schedule.kind == "plateau" and schedule.monitor == "loss":
        seconds += _embedding(trial, texts, texts)  # every pair is gone through for the loss
    return seconds


def _embedding(trial: Trial, clips: int, texts: int) -> float:
    heard = math.ceil(clips / CLIPS_AT_ONCE) * trial.hear_s
    return heard + math.ceil(texts / TEXTS_AT_ONCE) * trial.read_s


def _mean_duration(clips: Sequence[Clip]) -> float:
    return sum(clip.duration_s for clip in clips) / max(1, len(clips))
