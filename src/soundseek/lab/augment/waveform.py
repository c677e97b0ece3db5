"""Gain, random crop and silenced stretches on waveforms: drawn, then applied.

A plan holds fractions and decibels, so that any length and any sample rate will do. Gain: CP-JKU
2022, section 4 (w = 10^(g/20), g uniform in ±g_max; of 0 … 6 dB the search found 3 the best).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundseek.errors import RecipeError

_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class WaveformRange:
    """`gain_db`: level uniform in ±; `crop_s`: longer sounds are cut to so many seconds at a random
    place (None: never); `time_masks` stretches of up to `time_mask_s` seconds are silenced."""

    gain_db: float = 0.0
    crop_s: float | None = None
    time_masks: int = 0
    time_mask_s: float = 0.5


@dataclass(frozen=True)
class WaveformPlan:
    """One training item; `masks` are (width, place), all fractions in [0, 1)."""

    gain_db: float
    crop_start: float
    masks: tuple[tuple[float, float], ...]


def draw_waveform(rng: np.random.Generator, ranges: WaveformRange) -> WaveformPlan:
    """Draw one item's plan."""
    gain_db, crop_start = rng.uniform(-ranges.gain_db, ranges.gain_db), rng.random()
    masks = rng.random((ranges.time_masks, 2)).tolist()
    return WaveformPlan(
        float(gain_db), float(crop_start), tuple((width, place) for width, place in masks)
    )


def apply_waveform(
    waveform: _Floats, plan: WaveformPlan, ranges: WaveformRange, sample_rate: int
) -> _Floats:
    """Crop, then silence stretches, then change the level of mono float32; the input stays."""
    result = waveform
    if ranges.crop_s is not None:
        samples = round(ranges.crop_s * sample_rate)
        if samples < 1:
            raise RecipeError(f"a crop of {ranges.crop_s} s at {sample_rate} Hz holds no sample")
        result = cropped(result, samples, plan.crop_start)
    for width, place in plan.masks:
        samples = int(width * (ranges.time_mask_s * sample_rate + 1))
        result = silenced(result, samples, place)
    return amplified(result, plan.gain_db)


def cropped(waveform: _Floats, samples: int, start: float) -> _Floats:
    """`samples` samples from fraction `start` of the possible places; a shorter one is whole."""
    first = first_of_crop(len(waveform), samples, start)
    return waveform[first : first + samples]


def first_of_crop(length: int, samples: int, start: float) -> int:
    """Where `samples` samples begin at fraction `start` of the possible places in `length`."""
    return int(start * (length - samples + 1)) if length > samples else 0


def silenced(waveform: _Floats, samples: int, place: float) -> _Floats:
    """A copy with `samples` zeros at fraction `place` of the possible places."""
    samples = min(samples, len(waveform))
    first = int(place * (len(waveform) - samples + 1))
    result = waveform.copy()
    result[first : first + samples] = 0.0
    return result


def amplified(waveform: _Floats, gain_db: float) -> _Floats:
    """A copy times 10^(gain_db / 20); the peak may pass 1, as nothing is clipped."""
    result: _Floats = waveform * np.float32(10.0 ** (gain_db / 20.0))
    return result
