"""Training windows: a step's waveforms, cut, mixed and collaged from the store of clips.

A step's items depend on (seed, step) alone. Two kinds stand in one batch: *solo* windows hold one
clip, or two mixed, and have a caption; *collages* are filled with several clips and have none:
they teach by the teacher's ear alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundseek.audio.frontends import FrontEndSpec, n_frames
from soundseek.lab.augment.mixing import MixingRange, at_speed, draw, levelled, mixed, placed
from soundseek.lab.data.texts import joined
from soundseek.lab.data.waveforms import WaveformStore

_Floats = NDArray[np.float32]
_NO_GROUP = -1


@dataclass(frozen=True)
class Captions:
    """Per clip: its captions (none where they tell nothing) and the id of its group."""

    texts: Sequence[Sequence[str]]
    groups: Sequence[int]


@dataclass(frozen=True)
class Items:
    """`waveforms` float32 `[n, samples]`; `lengths` int64 `[n]` valid frames; `tilts_db` float32
    `[n]`; the items of `captioned` (indices) have `captions` and `groups` `[captioned, 2]`."""

    waveforms: _Floats
    lengths: NDArray[np.int64]
    tilts_db: _Floats
    captioned: NDArray[np.int64]
    captions: list[str]
    groups: NDArray[np.int64]


class ItemMaker:
    """Makes the items of any step."""

    def __init__(
        self,
        store: WaveformStore,
        captions: Captions,
        ranges: MixingRange,
        spec: FrontEndSpec,
        *,
        window_samples: int,
        collage: float,
        seed: int,
    ) -> None:
        self.store = store
        self.captions = captions
        self.ranges = ranges
        self.spec = spec
        self.window_samples = window_samples
        self.collage = collage
        self.seed = seed
        lengths = np.diff(store.offsets).astype(np.float64)
        # Longer clips hold more to hear, up to a point; short ones still get their share.
        weights = np.where(lengths > 0, np.minimum(lengths, 3.0 * window_samples), 0.0)
        weights = np.where(lengths > 0, weights + 0.5 * window_samples, 0.0)
        self._cumulative = np.cumsum(weights / weights.sum())

    def make(self, step: int, n: int) -> Items:
        """The `n` windows of a step."""
        rng = np.random.default_rng((self.seed, step, 1))
        waveforms = np.empty((n, self.window_samples), np.float32)
        lengths = np.empty(n, np.int64)
        tilts = np.empty(n, np.float32)
        captioned, captions, groups = [], [], []
        for i in range(n):
            if rng.random() < self.collage:
                waveforms[i], end = self._collage(rng), self.window_samples
                tilts[i] = rng.uniform(-self.ranges.tilt_db, self.ranges.tilt_db)
            else:
                waveforms[i], end, tilts[i], clips = self._solo(rng)
                caption = self._caption(clips, rng)
                if caption is not None:
                    captioned.append(i)
                    captions.append(caption)
                    groups.append(self._groups(clips))
            lengths[i] = max(1, n_frames(end, self.spec))
        return Items(
            waveforms,
            lengths,
            tilts,
            np.array(captioned, np.int64),
            captions,
            np.array(groups, np.int64).reshape(-1, 2),
        )

    def _clip(self, rng: np.random.Generator) -> int:
        index = int(np.searchsorted(self._cumulative, rng.random(), side="right"))
        return min(index, len(self._cumulative) - 1)

    def _cut(self, clip: int, start: float, speed: float, samples: int) -> _Floats:
        """`samples` of the clip as heard at `speed`, or all of it when it is shorter."""
        wanted = int(samples * speed) + 2
        spare = max(0, self.store.length(clip) - wanted)
        return at_speed(self.store.read(clip, int(start * (spare + 1)), wanted), speed)[:samples]

    def _solo(self, rng: np.random.Generator) -> tuple[_Floats, int, float, tuple[int, ...]]:
        plan = draw(rng, self.ranges)
        clips = (self._clip(rng), self._clip(rng))
        n = self.window_samples
        # As in use: a short clip starts with its window.
        first, end = placed(self._cut(clips[0], plan.starts[0], plan.speeds[0], n), n, 0.0, 0.0)
        if not plan.mixed:
            return levelled(first, plan.gain_db), end, plan.tilt_db, clips[:1]
        cut = self._cut(clips[1], plan.starts[1], plan.speeds[1], n)
        second, end_2 = placed(cut, n, 0.0, plan.places[1] * end / n)
        both = mixed(first, second, plan.balance_db)
        return levelled(both, plan.gain_db), max(end, end_2), plan.tilt_db, clips

    def _collage(self, rng: np.random.Generator) -> _Floats:
        result = np.zeros(self.window_samples, np.float32)
        at = 0
        while at < self.window_samples:
            room = self.window_samples - at
            samples = int(rng.uniform(0.3, 1.0) * self.window_samples)
            speed = float(self.ranges.speed ** rng.uniform(-1.0, 1.0))
            part = self._cut(self._clip(rng), float(rng.random()), speed, samples)
            loudest = float(np.abs(part).max(initial=0.0))
            if loudest > 0.0:
                level = 10.0 ** (rng.uniform(-1.5 * self.ranges.balance_db, 0.0) / 20.0) / loudest
                heard = part[:room] * np.float32(level)
                result[at : at + len(heard)] += heard
            at += max(self.window_samples // 12, int(len(part) * rng.uniform(0.4, 1.1)))
        return levelled(result, float(rng.uniform(-self.ranges.gain_db, 0.0)))

    def _caption(self, clips: tuple[int, ...], rng: np.random.Generator) -> str | None:
        chosen = []
        for clip in clips:
            texts = self.captions.texts[clip]
            if not texts:
                return None
            chosen.append(texts[int(rng.integers(len(texts)))])
        return chosen[0] if len(chosen) == 1 else joined(chosen[0], chosen[1], rng)

    def _groups(self, clips: tuple[int, ...]) -> tuple[int, int]:
        ids = sorted({self.captions.groups[clip] for clip in clips})
        return (_NO_GROUP, ids[0]) if len(ids) == 1 else (ids[0], ids[1])
