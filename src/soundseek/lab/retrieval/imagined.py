"""Sounds and captions as long as a recipe lets them be: what a step costs at its worst, without
decoding anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from soundseek.lab.data.manifest import Clip
from soundseek.lab.retrieval.batches import Sounds
from soundseek.lab.retrieval.build import tagger_classes
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.prepare import Part
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from soundseek.lab.retrieval.teachers import Teacher

_Floats = NDArray[np.float32]
_TEACHER_WIDTH = 8
_SHIFTS = 4_096
_LOUDNESS = 0.1
_EVENTS_HEARD = 0.05


class ImaginedSounds:
    """Noise in the place of clips: all of `most` samples while `longest`, else of the clips' own
    lengths, cut at `most`."""

    def __init__(
        self, lengths: Sequence[int], sample_rate: int, most: int, *, longest: bool = True
    ) -> None:
        """`lengths` of the clips in samples."""
        self.sample_rate = sample_rate
        self.failures: dict[str, str] = {}
        self.most, self.longest = most, longest
        self._own = [max(1, min(most, length)) for length in lengths]
        noise = np.random.default_rng(0).standard_normal(most + _SHIFTS) * _LOUDNESS
        self._noise = noise.astype(np.float32)

    def __len__(self) -> int:
        return len(self._own)

    def length(self, index: int) -> int:
        """Samples of clip `index`."""
        return self.most if self.longest else self._own[index]

    def read(self, index: int, start: int = 0, length: int | None = None) -> _Floats:
        """Clip `index` from sample `start`, at most `length` samples."""
        begin, end = index % _SHIFTS, index % _SHIFTS + self.length(index)
        sound = self._noise[begin:end][start:]
        return sound[:length].copy()

    def some(self, n: int) -> ImaginedSounds:
        """As many as `n` clips, of lengths from the shortest to the longest."""
        ordered = sorted(self._own)
        places = np.linspace(0, len(ordered) - 1, min(n, len(ordered))).round().astype(int)
        lengths = [ordered[i] for i in places]
        return ImaginedSounds(lengths, self.sample_rate, self.most, longest=self.longest)


def with_long_captions(clips: Sequence[Clip]) -> list[Clip]:
    """The clips, every caption lengthened to as many words as the longest has. They stay different:
    terms that compare texts find the texts of the recipe."""
    longest = max((text for clip in clips for text in clip.captions), key=_words).split()

    def lengthened(text: str) -> str:
        words = text.split()
        return " ".join([*words, *longest[len(words) :]])

    return [replace(clip, captions=tuple(map(lengthened, clip.captions))) for clip in clips]


def imagined_part(clips: Sequence[Clip], recipe: RetrievalRecipe, model: RetrievalModel) -> Part:
    """A part of these clips that nothing was decoded for; events are drawn."""
    rate = model.audio.audio_encoder.sample_rate
    most = max(round(recipe.audio.max_s * rate), model.audio.least_samples)
    store = ImaginedSounds([round(clip.duration_s * rate) for clip in clips], rate, most)
    sounds = Sounds.of(clips, store, least=model.audio.least_samples, most=most)
    events = None
    if recipe.audio.events is not None:
        heard = np.random.default_rng(0).random((len(clips), tagger_classes(recipe.audio.events)))
        events = (heard < _EVENTS_HEARD).astype(np.float32)
    return Part(sounds, events)


def imagined_teacher(clips: Sequence[Clip]) -> Teacher:
    """What a teacher might say of the clips."""
    counts = [len(clip.captions) for clip in clips]
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    return Teacher(_unit(len(clips)), _unit(sum(counts)), starts)


def _unit(n: int) -> _Floats:
    vectors = torch.randn(n, _TEACHER_WIDTH, generator=torch.Generator().manual_seed(0))
    unit: _Floats = torch.nn.functional.normalize(vectors, dim=-1).numpy()
    return unit


def _words(text: str) -> int:
    return len(text.split())
