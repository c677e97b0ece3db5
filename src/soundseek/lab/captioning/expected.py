"""How long a captioner's training is likely to take, and what it leaves on the disk, from what a
trial of it took."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from soundseek.lab.captioning.build import event_classes
from soundseek.lab.captioning.model import CaptioningModel
from soundseek.lab.captioning.prepare import is_heard
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.captioning.texts import TextItems
from soundseek.lab.captioning.trial import CaptioningTrial
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import store_file
from soundseek.lab.retrieval.clips import ClipSets
from soundseek.lab.retrieval.course import Course
from soundseek.lab.retrieval.disk import parts_of
from soundseek.lab.retrieval.rehearsed import StageTime

_BYTES_A_VALUE = 2


@dataclass(frozen=True)
class Expected:
    """What a run of `recipe` has before it, from a trial of `model`; `cache`: where sounds may lie
    decoded and heard already. `decode_s`: for a second of sound."""

    recipe: CaptioningRecipe
    model: CaptioningModel
    clips: ClipSets
    items: TextItems
    trial: CaptioningTrial
    cache: Path
    decode_s: float

    def time(self, course: Course) -> StageTime:
        """Seconds of the stage. Batches are made by threads: beside a GPU, but on the processor
        that learns."""
        run, trial = self.recipe.run, self.trial
        # What is not heard beforehand may be decoded each time it is asked for.
        again_s = 0.0 if self._ahead or self.recipe.audio.frozen else self.decode_s
        read_s = again_s * course.batch / run.devices * _mean_duration(self.clips.train)
        if self.model.device == torch.device("cpu"):
            step_s = trial.step_s + trial.make_s + read_s
        else:
            step_s = max(trial.step_s, trial.make_s / run.workers + read_s)
        judged = self.clips.validation
        captions = sum(len(clip.captions) for clip in judged)
        judge_s = captions * (trial.validate_s + again_s * _mean_duration(judged))
        validations = math.ceil(course.steps_left / (course.steps_per_epoch * run.evaluate_epochs))
        parts = (self.clips.train, self.clips.validation) if course.steps_left else ()
        prepare_s = sum(map(self._preparing, parts)) + len(self.items.texts) * trial.read_s
        return StageTime(
            prepare_s if parts else 0.0,
            course.steps_left * step_s,
            validations * judge_s / run.devices,
        )

    def score_s(self) -> float:
        """Seconds to hear and caption the test clips at the end."""
        test = self.clips.test
        return self._preparing(test) + len(test) * self.trial.write_s

    def heard_bytes(self) -> int:
        """Of what a frozen encoder hears, where no run has left that."""
        if not self.recipe.audio.frozen:
            return 0
        width = self.model.audio.audio_encoder.width + event_classes(self.recipe)
        seconds = sum(
            _heard_seconds(clips, self.recipe)
            for clips in parts_of(self.clips)
            if not self._is_heard(clips)
        )
        return round(seconds * self.trial.steps_per_s) * width * _BYTES_A_VALUE

    @property
    def _ahead(self) -> bool:
        return self.recipe.run.decode == "ahead"

    def _preparing(self, clips: Sequence[Clip]) -> float:
        if not clips or self._is_heard(clips):
            return 0.0
        rate = self.model.audio.audio_encoder.sample_rate
        decoded = sum(clip.duration_s for clip in clips)
        if self._ahead and store_file(clips, rate, self.cache).exists():
            decoded = 0.0
        elif not self._ahead and not self.recipe.audio.frozen:
            decoded = 0.0  # but in every batch
        listen_s = self.trial.hear_s + self.trial.tag_s
        return decoded * self.decode_s + _heard_seconds(clips, self.recipe) * listen_s

    def _is_heard(self, clips: Sequence[Clip]) -> bool:
        frozen = self.recipe.audio.frozen
        return frozen and is_heard(clips, self.recipe, self.model, self.cache)


def _heard_seconds(clips: Sequence[Clip], recipe: CaptioningRecipe) -> float:
    return sum(min(clip.duration_s, recipe.audio.max_s) for clip in clips)


def _mean_duration(clips: Sequence[Clip]) -> float:
    return sum(clip.duration_s for clip in clips) / max(1, len(clips))
