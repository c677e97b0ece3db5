"""Placing a sound in a window, and mixing two at a given balance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float32]


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


def mixed(first: _Floats, second: _Floats, balance_db: float) -> _Floats:
    """Sum of both, the second `balance_db` louder than the first in root mean square."""
    level_1, level_2 = _rms(first), _rms(second)
    factor = 1.0
    if level_1 > 0.0 and level_2 > 0.0:
        factor = level_1 / level_2 * 10.0 ** (balance_db / 20.0)
    total: _Floats = first + second * np.float32(factor)
    return total


def _rms(waveform: _Floats) -> float:
    sounding = waveform[waveform != 0.0]
    return float(np.sqrt(np.mean(np.square(sounding, dtype=np.float64)))) if sounding.size else 0.0
