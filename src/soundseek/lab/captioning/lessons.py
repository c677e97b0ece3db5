"""What one process learns from in a step: sounds, and the captions that are to be written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from soundseek.errors import DataError
from soundseek.lab.augment.pipeline import TextResources
from soundseek.lab.captioning.prepare import Part
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.captioning.tokens import CaptionTokens
from soundseek.lab.retrieval.batches import BatchMaker
from soundseek.lab.retrieval.lessons import Division
from soundseek.lab.retrieval.recipe import Augment
from soundseek.lab.training.pairs import Pair, PairOrder


class Lesson:
    """Sounds with a caption each. No dataclass: Fabric would cast waveforms to the precision of
    the networks.

    Either `steps` `[n, longest, width]` and their `mask`, or `waveforms` `[n, longest]` and their
    `samples`. `ids` int64 `[n, tokens]`; `clips` are indices, `texts` the captions.
    """

    def __init__(
        self,
        clips: list[int],
        texts: list[str],
        ids: Tensor,
        *,
        steps: Tensor | None = None,
        mask: Tensor | None = None,
        waveforms: Tensor | None = None,
        samples: Tensor | None = None,
    ) -> None:
        self.clips, self.texts, self.ids = clips, texts, ids
        self.steps, self.mask = steps, mask
        self.waveforms, self.samples = waveforms, samples


class LessonMaker:
    """Lessons of any step of a training; they depend on the seed, the step and the division alone.

    Raises `DataError` where an epoch is too small to be divided.
    """

    def __init__(
        self,
        part: Part,
        tokens: CaptionTokens,
        recipe: CaptioningRecipe,
        order: PairOrder,
        division: Division,
    ) -> None:
        self.part, self.tokens, self.order, self.division = part, tokens, order, division
        self.seed = recipe.seed
        self.noise = recipe.audio.noise
        self.text_noise = 0.0 if recipe.texts is None else recipe.texts.noise
        self._batches = BatchMaker(part.sounds, Augment(), TextResources(), recipe.seed)
        self._pairs_of_epoch = lru_cache(maxsize=2)(order.epoch)
        smallest = min(order.batch, order.items)
        if division.portions > 1 and smallest % division.portions:
            raise DataError(
                f"an epoch has {smallest} captions: they cannot be divided into "
                f"{division.portions} portions",
                remedy="lower optimiser.accumulate or run.devices, or train on more clips",
            )

    def lessons(self, step: int) -> list[Lesson]:
        """Those of `step`, in order."""
        epoch, number = divmod(step, self.order.batches)
        pairs = self._pairs_of_epoch(epoch)[number]
        division, size = self.division, len(pairs) // self.division.portions
        found = []
        for turn in range(division.accumulate):
            portion = turn * division.processes + division.rank
            own = pairs[portion * size : (portion + 1) * size]
            found.append(self._lesson(own, epoch, number, portion))
        return found

    def plain(self, pairs: Sequence[Pair]) -> Lesson:
        """A lesson of these pairs as they are: from the start of each clip, without noise."""
        clips = [pair.clip for pair in pairs]
        texts = [self.part.clips[pair.clip].captions[pair.caption] for pair in pairs]
        ids = self.tokens.encode(texts).ids
        if self.part.heard is None:
            batch = self._batches.plain(pairs)
            return Lesson(clips, texts, ids, waveforms=batch.waveforms, samples=batch.samples)
        steps, mask = self.part.steps(clips)
        return Lesson(clips, texts, ids, steps=steps, mask=mask)

    def _lesson(self, pairs: Sequence[Pair], epoch: int, number: int, portion: int) -> Lesson:
        if self.part.heard is not None:
            lesson = self.plain(pairs)
            self._add_noise(lesson, epoch, number, portion)
            return lesson
        batch = self._batches.training(pairs, epoch, number, portion)
        ids = self.tokens.encode(batch.texts).ids
        return Lesson(
            batch.clips, batch.texts, ids, waveforms=batch.waveforms, samples=batch.samples
        )

    def _add_noise(self, lesson: Lesson, epoch: int, number: int, portion: int) -> None:
        """To each step a random vector as long as `noise` times itself, and the step its own
        length again."""
        if not (self.noise or self.text_noise):
            return
        assert lesson.steps is not None
        rng = np.random.default_rng((self.seed, epoch, number, portion))
        drawn = torch.from_numpy(rng.standard_normal(lesson.steps.shape, dtype=np.float32))
        first_text = len(self.part.clips) - self.part.texts
        amounts = torch.tensor(
            [self.noise if clip < first_text else self.text_noise for clip in lesson.clips]
        )
        lengths = lesson.steps.norm(dim=2, keepdim=True)
        moved = F.normalize(lesson.steps, dim=2) + amounts[:, None, None] * F.normalize(
            drawn, dim=2
        )
        lesson.steps = F.normalize(moved, dim=2) * lengths
