"""What one process learns from in a step: sounds, and the captions that are to be written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from soundseek.lab.augment.pipeline import TextResources
from soundseek.lab.captioning.prepare import Part
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.captioning.tokens import CaptionTokens
from soundseek.lab.retrieval.batches import BatchMaker
from soundseek.lab.retrieval.lessons import Division, check_division
from soundseek.lab.retrieval.recipe import Augment
from soundseek.lab.training.pairs import Pair, PairOrder

_NOISE: Final = 2**30  # apart from what else is drawn for an item of an epoch


class Lesson:
    """Sounds with a caption each. No dataclass: Fabric would cast waveforms to the precision of
    the networks.

    Either `steps` `[n, longest, width]` and their `mask`, or `waveforms` `[n, longest]` and their
    `samples`. `ids` int64 `[n, tokens]`; `clips` are indices, `texts` the captions. `tokens`: by
    how many the sum of the tokens' losses is divided; None: by as many as there are.
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
        self.tokens: float | None = None


class LessonMaker:
    """Lessons of any step of a training; they depend on the seed, the step and the division alone.

    Portions have as many captions each, but not as many tokens: a portion's losses are divided by
    the mean of all portions, so that they add up to the mean over the step's tokens, however it is
    divided.

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
        self.pads_in_loss = recipe.objective.pads_in_loss
        self._batches = BatchMaker(part.sounds, Augment(), TextResources(), recipe.seed)
        self._pairs_of_epoch = lru_cache(maxsize=2)(order.epoch)
        check_division(order, division, "captions")

    def lessons(self, step: int) -> list[Lesson]:
        """Those of `step`, in order."""
        epoch, number = divmod(step, self.order.batches)
        pairs = self._pairs_of_epoch(epoch)[number]
        division, size = self.division, len(pairs) // self.division.portions
        tokens = None if division.portions == 1 else self._tokens_of(pairs) / division.portions
        found = []
        for turn in range(division.accumulate):
            portion = turn * division.processes + division.rank
            own = pairs[portion * size : (portion + 1) * size]
            lesson = self._lesson(own, epoch, number, portion)
            lesson.tokens = tokens
            found.append(lesson)
        return found

    def plain(self, pairs: Sequence[Pair]) -> Lesson:
        """A lesson of these pairs as they are: from the start of each clip, without noise. Pairs of
        clips that turn out to be unreadable are not in it, which may leave none."""
        if self.part.heard is not None:
            steps, mask = self.part.steps([pair.clip for pair in pairs])
            return Lesson(*self._captions(pairs), steps=steps, mask=mask)
        batch = self._batches.plain(pairs)
        failures = self.part.sounds.store.failures
        kept = [i for i, pair in enumerate(pairs) if self.part.clips[pair.clip].id not in failures]
        return Lesson(
            *self._captions([pairs[i] for i in kept]),
            waveforms=batch.waveforms[kept],
            samples=batch.samples[kept],
        )

    def _lesson(self, pairs: Sequence[Pair], epoch: int, number: int, portion: int) -> Lesson:
        if self.part.heard is not None:
            lesson = self.plain(pairs)
            self._add_noise(lesson, pairs, epoch)
            return lesson
        batch = self._batches.training(pairs, epoch, number, portion)
        ids = self.tokens.encode(batch.texts).ids
        return Lesson(
            batch.clips, batch.texts, ids, waveforms=batch.waveforms, samples=batch.samples
        )

    def _captions(self, pairs: Sequence[Pair]) -> tuple[list[int], list[str], Tensor]:
        texts = [self.part.clips[pair.clip].captions[pair.caption] for pair in pairs]
        ids = self.tokens.encode(texts).ids if texts else torch.zeros(0, 0, dtype=torch.int64)
        return [pair.clip for pair in pairs], texts, ids

    def _tokens_of(self, pairs: Sequence[Pair]) -> int:
        """How many tokens of these pairs count."""
        if self.pads_in_loss:
            return len(pairs) * self.tokens.max_tokens
        texts = [self.part.clips[pair.clip].captions[pair.caption] for pair in pairs]
        return int(self.tokens.encode(texts).mask.sum())

    def _add_noise(self, lesson: Lesson, pairs: Sequence[Pair], epoch: int) -> None:
        """To each step that was heard, its events aside, a random vector as long as `noise` times
        itself, and the step its own length again. What is drawn depends on the seed, the epoch and
        the item."""
        if not (self.noise or self.text_noise):
            return
        assert lesson.steps is not None
        assert self.part.heard is not None
        first_text = len(self.part.clips) - self.part.texts
        width = self.part.heard.steps.shape[1]
        for row, pair in enumerate(pairs):
            amount = self.noise if pair.clip < first_text else self.text_noise
            if not amount:
                continue
            steps = lesson.steps[row, : self.part.heard.counts[pair.clip], :width]
            rng = np.random.default_rng((self.seed, epoch, pair.number, _NOISE))
            drawn = torch.from_numpy(rng.standard_normal(steps.shape, dtype=np.float32))
            moved = F.normalize(steps, dim=1) + amount * F.normalize(drawn, dim=1)
            steps[:] = F.normalize(moved, dim=1) * steps.norm(dim=1, keepdim=True)
