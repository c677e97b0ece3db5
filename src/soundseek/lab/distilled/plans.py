"""What the training windows of a step are made of: drawn for a whole batch at once.

A step's plan depends on (seed, step) alone, on any device. Three kinds of window stand in a batch:
*solo* windows hold one clip, *mixed* ones two, and both may have captions; *collages* hold several
cuts and have none: they teach by the teacher's ear alone. What follows (speed, level, filter, room,
noise) is done to the sound before teacher and student hear it, so that their task stays consistent
whatever the augmentation (Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and
consistent").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundseek.lab.distilled.recipe import AugmentSection

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]
_NO_GROUP = -1
_MOST_PARTS = 4  # of a collage


@dataclass(frozen=True)
class Captioned:
    """Which texts belong to which clip, as rows of a table of text vectors.

    Clip i owns the rows `rows[offsets[i]:offsets[i + 1]]` (none where its captions tell nothing);
    `groups` `[clips]` are the ids of what shares its text.
    """

    rows: _Ints
    offsets: _Ints
    groups: _Ints

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]], groups: Sequence[int]) -> Captioned:
        """From a list of rows for each clip."""
        offsets = np.concatenate([[0], np.cumsum([len(own) for own in rows])])
        flat = [row for own in rows for row in own]
        return cls(np.array(flat, np.int64), offsets.astype(np.int64), np.array(groups, np.int64))


@dataclass(frozen=True)
class Parts:
    """The cuts of a batch, one row each. `window`, `clip`: whose; `start`: first sample of the
    clip; `speed`: its samples a sample of the window; `onset`, `samples`: where it lies in the
    window; `level_db`: its root mean square against that of the window's first cut."""

    window: _Ints
    clip: _Ints
    start: _Ints
    speed: _Floats
    onset: _Ints
    samples: _Ints
    level_db: _Floats


@dataclass(frozen=True)
class Plan:
    """A batch of `n` windows.

    `ends` `[n]`: samples that count; `natural` bool `[n]`: keeps its first clip's level, changed by
    `gain_db`, instead of peaking at `gain_db` below full scale; `tilt_db` `[n]`, `cut_band` `[n]`
    (first band that a low-pass takes away, or the number of bands), `curve_db` `[n, points]` (a
    random equaliser); `room_s` `[n]` (reverberation time, 0 for none) and `wet` `[n]`; `noise_db`
    `[n]` (signal above noise, inf for none) and `noise_slope` `[n]` (0 white, 1 pink, 2 brown).
    `captioned` `[m]`: windows with captions, `rows` `[m, 2]` (−1: no second) and `groups` `[m, 2]`.
    """

    parts: Parts
    ends: _Ints
    natural: NDArray[np.bool_]
    gain_db: _Floats
    tilt_db: _Floats
    cut_band: _Ints
    curve_db: _Floats
    room_s: _Floats
    wet: _Floats
    noise_db: _Floats
    noise_slope: _Floats
    captioned: _Ints
    rows: _Ints
    groups: _Ints


class Planner:
    """Draws the plan of any step for clips of `lengths` `[clips]` samples (0: not to be drawn)."""

    def __init__(
        self,
        lengths: _Ints,
        captioned: Captioned,
        augment: AugmentSection,
        *,
        window_samples: int,
        bands: int,
        seed: int,
    ) -> None:
        self.lengths = lengths
        self.captions = captioned
        self.augment = augment
        self.window_samples = window_samples
        self.bands = bands
        self.seed = seed
        # Longer clips hold more to hear, up to a point; short ones still get their share.
        heard = np.minimum(lengths, 3.0 * window_samples) + 0.5 * window_samples
        weights = np.where(lengths > 0, heard, 0.0)
        self._cumulative = np.cumsum(weights / weights.sum())

    def draw(self, step: int, n: int) -> Plan:
        """The plan of `n` windows of a step."""
        rng = np.random.default_rng((self.seed, step, 1))
        augment = self.augment
        kind = rng.choice(3, n, p=augment.shares())
        clips = self._clips(rng, (n, _MOST_PARTS))
        speeds = augment.speed ** rng.uniform(-1.0, 1.0, clips.shape)
        onsets, samples = self._placed(rng, kind, clips, speeds)
        spare = np.maximum(0, self.lengths[clips] - np.ceil(samples * speeds) - 2)
        starts = (rng.random(clips.shape) * (spare + 1)).astype(np.int64)
        levels = np.where(
            (kind == 2)[:, None],
            rng.uniform(-1.5 * augment.balance_db, 0.0, clips.shape),
            rng.uniform(-augment.balance_db, augment.balance_db, clips.shape),
        )
        levels[:, 0] = np.where(kind == 2, levels[:, 0], 0.0)
        there = samples > 0
        windows = np.broadcast_to(np.arange(n)[:, None], clips.shape)
        parts = Parts(
            window=windows[there],
            clip=clips[there],
            start=starts[there],
            speed=speeds[there],
            onset=onsets[there],
            samples=samples[there],
            level_db=levels[there],
        )
        whole = np.full(n, self.window_samples)
        ends = np.where(kind == 2, whole, (onsets + samples)[:, :2].max(1))
        return self._changed(rng, parts, ends, self._captioned(rng, kind, clips))

    def _clips(self, rng: np.random.Generator, shape: tuple[int, int]) -> _Ints:
        found = np.searchsorted(self._cumulative, rng.random(shape), side="right")
        return np.minimum(found, len(self._cumulative) - 1)

    def _placed(
        self, rng: np.random.Generator, kind: _Ints, clips: _Ints, speeds: _Floats
    ) -> tuple[_Ints, _Ints]:
        """Onset and samples of every cut, 0 samples for those that are not there."""
        n, window = len(kind), self.window_samples
        available = np.floor(np.maximum(0, self.lengths[clips] - 2) / speeds).astype(np.int64)
        available = np.maximum(available, (self.lengths[clips] > 0).astype(np.int64))
        first = np.minimum(available[:, 0], window)
        onsets = np.zeros(clips.shape, np.int64)
        samples = np.zeros(clips.shape, np.int64)
        # As in use: a short clip starts with its window; the second anywhere within the first.
        samples[:, 0] = first
        onsets[:, 1] = np.where(kind == 1, (rng.random(n) * first).astype(np.int64), 0)
        samples[:, 1] = np.where(kind == 1, np.minimum(available[:, 1], window - onsets[:, 1]), 0)
        spread = np.sort(rng.random(clips.shape) * 0.85 * window, axis=1).astype(np.int64)
        spread[:, 0] = 0
        longest = (rng.uniform(0.3, 1.0, clips.shape) * window).astype(np.int64)
        cuts = np.minimum(np.minimum(available, longest), window - spread)
        collage = (kind == 2)[:, None]
        return np.where(collage, spread, onsets), np.where(collage, cuts, samples)

    def _changed(
        self, rng: np.random.Generator, parts: Parts, ends: _Ints, texts: tuple[_Ints, _Ints, _Ints]
    ) -> Plan:
        """The whole plan: level, filter, room and noise beside what is there."""
        augment, n = self.augment, len(ends)
        natural = rng.random(n) < augment.natural_level
        gain = np.where(
            natural,
            rng.uniform(-augment.gain_db, augment.gain_db, n),
            rng.uniform(-2.5 * augment.gain_db, 0.0, n),
        )
        tilt = rng.uniform(-augment.tilt_db, augment.tilt_db, n)
        low_pass = rng.random(n) < augment.low_pass
        cut = np.where(low_pass, rng.integers(self.bands // 3, self.bands, n), self.bands)
        curved = rng.random((n, 1)) < augment.equaliser
        curve = np.where(curved, rng.normal(0.0, 4.0, (n, 8)), 0.0)
        room = np.where(rng.random(n) < augment.room, 10.0 ** rng.uniform(-1.0, 0.2, n), 0.0)
        wet = rng.uniform(0.1, 1.0, n)
        noisy = rng.random(n) < augment.noise
        noise = np.where(noisy, rng.uniform(0.0, 40.0, n), np.inf)
        captioned, rows, groups = texts
        return Plan(
            parts,
            ends=ends,
            natural=natural,
            gain_db=gain,
            tilt_db=tilt,
            cut_band=cut,
            curve_db=curve,
            room_s=room,
            wet=wet,
            noise_db=noise,
            noise_slope=rng.uniform(0.0, 2.0, n),
            captioned=captioned,
            rows=rows,
            groups=groups,
        )

    def _captioned(
        self, rng: np.random.Generator, kind: _Ints, clips: _Ints
    ) -> tuple[_Ints, _Ints, _Ints]:
        own = self.captions
        heard = clips[:, :2]
        counts = own.offsets[heard + 1] - own.offsets[heard]
        chosen = own.offsets[heard] + (rng.random(heard.shape) * counts).astype(np.int64)
        usable = (counts[:, 0] > 0) & ((kind == 0) | ((kind == 1) & (counts[:, 1] > 0)))
        which = np.flatnonzero(usable)
        two = (kind[which] == 1)[:, None]
        # A first clip without a second stands in for it, and is taken out again.
        places = np.where([[True, False]] | two, chosen[which], own.offsets[heard[which, :1]])
        rows = np.where([[True, False]] | two, own.rows[places], -1)
        groups = own.groups[heard[which]]
        groups[:, 1] = np.where(two[:, 0], groups[:, 1], _NO_GROUP)
        groups.sort(axis=1)
        same = groups[:, 0] == groups[:, 1]
        groups[same, 0] = _NO_GROUP
        return which, rows, groups
