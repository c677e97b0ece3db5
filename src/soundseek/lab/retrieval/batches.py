"""Batches of training: waveforms and captions, cut and changed by (seed, epoch, number) alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from soundseek.errors import DataError
from soundseek.lab.augment.pipeline import (
    AudioPlan,
    BatchPlan,
    TextResources,
    draw_audio,
    draw_batch,
    text_for,
    waveform_for,
)
from soundseek.lab.augment.waveform import first_of_crop
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import Waveforms
from soundseek.lab.retrieval.embedding import at_least
from soundseek.lab.retrieval.recipe import Augment
from soundseek.lab.retrieval.waveforms import padded
from soundseek.lab.training.pairs import Pair, group_ids

_BETWEEN_ITEMS = 1  # apart from the items' own generators
_INSTEAD = 2**31  # nor is a batch in so many portions


@dataclass(frozen=True)
class Batch:
    """n pairs, ready for the model.

    `waveforms` `[n, longest]`, `samples` `[n]`, `texts`, `groups` int64 `[n]`; `clips` and
    `captions` are indices; `plans` is None where nothing is to be changed.
    """

    waveforms: Tensor
    samples: Tensor
    texts: list[str]
    groups: Tensor
    clips: list[int]
    captions: list[int]
    plans: tuple[list[AudioPlan], BatchPlan] | None


@dataclass(frozen=True)
class Sounds:
    """Clips of one part, decoded; `least` and `most` are the samples of what the model hears."""

    clips: Sequence[Clip]
    store: Waveforms
    groups: NDArray[np.int64]
    least: int
    most: int

    @classmethod
    def of(
        cls,
        clips: Sequence[Clip],
        store: Waveforms,
        *,
        least: int,
        most: int,
    ) -> Sounds:
        """With the groups of the clips."""
        return cls(clips, store, group_ids(clips), least, most)


class BatchMaker:
    """Makes the batches of training."""

    def __init__(
        self,
        sounds: Sounds,
        augment: Augment,
        resources: TextResources,
        seed: int,
        extra: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """`extra`: clip id → captions for `augment.text.p_extra`."""
        self.sounds = sounds
        self.augment = augment
        self.resources = resources
        self.seed = seed
        self.extra = extra or {}

    def training(
        self,
        pairs: Sequence[Pair],
        epoch: int,
        number: int,
        portion: int = 0,
        *,
        pinned: bool = False,
    ) -> Batch:
        """Batch `number` of an epoch, or a `portion` of it: random crops, and what the recipe's
        augmentation says. Only pairs of one portion are mixed with each other. `pinned`: in memory
        that a GPU reads by itself."""
        sounds, captions, plans, chosen = [], [], [], []
        for asked in pairs:
            rng = np.random.default_rng((self.seed, epoch, asked.number))
            start = float(rng.random())
            plan = draw_audio(self.augment.audio, rng)
            pair, heard = self._heard(asked, epoch, start)
            heard = waveform_for(heard, self.augment.audio, plan, self.sounds.store.sample_rate)
            sounds.append(at_least(heard, self.sounds.least))
            plans.append(plan)
            chosen.append(pair)
            clip = self.sounds.clips[pair.clip]
            caption = clip.captions[pair.caption]
            extra = self.extra.get(clip.id, ())
            captions.append(text_for(caption, self.augment.text, rng, self.resources, extra=extra))
        rng = np.random.default_rng((self.seed, epoch, number, _BETWEEN_ITEMS + portion))
        groups = self.sounds.groups[[pair.clip for pair in chosen]]
        between = draw_batch(self.augment.audio, rng, len(chosen), groups.tolist())
        return self._batch(chosen, sounds, captions, (plans, between), pinned=pinned)

    def _heard(self, pair: Pair, epoch: int, start: float) -> tuple[Pair, NDArray[np.float32]]:
        """The pair and its sound from fraction `start` on; where that cannot be read, a pair of
        another clip, drawn for its place in the epoch: the same whenever it is asked for."""
        clips = self.sounds.clips
        sound = self._crop(pair.clip, start)
        if len(sound):
            return pair, sound
        rng = np.random.default_rng((self.seed, epoch, pair.number, _INSTEAD))
        for clip in rng.permutation(len(clips)).tolist():
            sound = self._crop(clip, start)
            if len(sound):
                return Pair(clip, int(rng.integers(len(clips[clip].captions))), pair.number), sound
        raise DataError(
            f"none of {len(clips)} clips can be read",
            remedy="check the corpus: soundseek data check MANIFEST --deep",
        )

    def _crop(self, clip: int, start: float) -> NDArray[np.float32]:
        store, most = self.sounds.store, self.sounds.most
        return store.read(clip, first_of_crop(store.length(clip), most, start), most)

    def plain(self, pairs: Sequence[Pair]) -> Batch:
        """The pairs as they are, cut at the start: for the loss on the validation set."""
        sounds = [
            at_least(self.sounds.store.read(pair.clip, 0, self.sounds.most), self.sounds.least)
            for pair in pairs
        ]
        captions = [self.sounds.clips[pair.clip].captions[pair.caption] for pair in pairs]
        return self._batch(pairs, sounds, captions, None)

    def _batch(
        self,
        pairs: Sequence[Pair],
        sounds: Sequence[NDArray[np.float32]],
        texts: list[str],
        plans: tuple[list[AudioPlan], BatchPlan] | None,
        *,
        pinned: bool = False,
    ) -> Batch:
        waveforms, samples = padded(sounds)
        if pinned:
            waveforms = waveforms.pin_memory()
        return Batch(
            waveforms,
            samples,
            texts,
            torch.from_numpy(self.sounds.groups[[pair.clip for pair in pairs]]),
            [pair.clip for pair in pairs],
            [pair.caption for pair in pairs],
            plans,
        )
