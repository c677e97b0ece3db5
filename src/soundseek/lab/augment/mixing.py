"""Mixing two clips, with gain, filter, speed and placement: draw the plan first, then apply it.

A plan depends on (seed, epoch, index) alone, so that a resumed run hears the same. Everything is
done to the waveform, before teacher and student hear it: their task stays consistent, whatever the
augmentation (Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and
consistent").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class MixingRange:
    """From what the plans are drawn.

    `probability` of a second clip; `balance_db`: its level against the first, uniform in ±;
    `gain_db`: level of the whole, uniform in ±; `speed`: playback speed within 1/speed … speed
    (1 = off), which moves pitch and tempo together; `tilt_db`: a straight spectral tilt of up to
    ± that many dB from 125 Hz to 8 kHz.
    """

    probability: float = 0.5
    balance_db: float = 10.0
    gain_db: float = 12.0
    speed: float = 1.0
    tilt_db: float = 0.0


@dataclass(frozen=True)
class MixPlan:
    """One training item: positions are fractions of what is possible, so any length will do."""

    starts: tuple[float, float]
    places: tuple[float, float]
    speeds: tuple[float, float]
    mixed: bool
    balance_db: float
    gain_db: float
    tilt_db: float


def draw(rng: np.random.Generator, ranges: MixingRange) -> MixPlan:
    """Draw one plan."""
    starts = rng.random(2)
    places = rng.random(2)
    speeds = ranges.speed ** rng.uniform(-1.0, 1.0, 2)
    return MixPlan(
        starts=(float(starts[0]), float(starts[1])),
        places=(float(places[0]), float(places[1])),
        speeds=(float(speeds[0]), float(speeds[1])),
        mixed=bool(rng.random() < ranges.probability),
        balance_db=float(rng.uniform(-ranges.balance_db, ranges.balance_db)),
        gain_db=float(rng.uniform(-ranges.gain_db, ranges.gain_db)),
        tilt_db=float(rng.uniform(-ranges.tilt_db, ranges.tilt_db)),
    )


def placed(waveform: _Floats, samples: int, start: float, place: float) -> tuple[_Floats, int]:
    """Cut or pad to `samples`: a longer clip is cut at `start`, a shorter one put at `place`.

    Both are fractions in [0, 1). Returns the samples and the index one past the last sounding one.
    """
    if len(waveform) >= samples:
        first = int(start * (len(waveform) - samples + 1))
        return waveform[first : first + samples], samples
    first = int(place * (samples - len(waveform) + 1))
    result = np.zeros(samples, np.float32)
    result[first : first + len(waveform)] = waveform
    return result, first + len(waveform)


def at_speed(waveform: _Floats, speed: float) -> _Floats:
    """Play faster (> 1) or slower by linear interpolation; pitch moves along."""
    if speed == 1.0 or len(waveform) < 2:
        return waveform
    positions = np.arange(0.0, len(waveform) - 1, speed)
    played: _Floats = np.interp(positions, np.arange(len(waveform)), waveform).astype(np.float32)
    return played


def mixed(first: _Floats, second: _Floats, balance_db: float) -> _Floats:
    """Sum of both, the second `balance_db` louder than the first in root mean square."""
    level_1, level_2 = _rms(first), _rms(second)
    factor = 1.0
    if level_1 > 0.0 and level_2 > 0.0:
        factor = level_1 / level_2 * 10.0 ** (balance_db / 20.0)
    total: _Floats = first + second * np.float32(factor)
    return total


def levelled(waveform: _Floats, gain_db: float, peak: float = 0.99) -> _Floats:
    """Change the level by `gain_db`, less where the peak would pass `peak`."""
    loudest = float(np.abs(waveform).max(initial=0.0))
    if loudest == 0.0:
        return waveform
    result: _Floats = waveform * np.float32(min(10.0 ** (gain_db / 20.0), peak / loudest))
    return result


def _rms(waveform: _Floats) -> float:
    sounding = waveform[waveform != 0.0]
    return float(np.sqrt(np.mean(np.square(sounding, dtype=np.float64)))) if sounding.size else 0.0
