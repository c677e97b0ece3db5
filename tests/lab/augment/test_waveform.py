from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from soundseek.errors import RecipeError
from soundseek.lab.augment.waveform import (
    WaveformRange,
    amplified,
    apply_waveform,
    cropped,
    draw_waveform,
    silenced,
)

pytestmark = pytest.mark.lab

_FRACTION = st.floats(0.0, 1.0, exclude_max=True)
_LAST = math.nextafter(1.0, 0.0)


def ramp(n: int) -> np.ndarray:
    return np.arange(1, n + 1, dtype=np.float32)


@given(st.integers(0, 50), st.integers(1, 50), _FRACTION)
def test_a_crop_is_a_run_of_the_sound(length: int, samples: int, start: float) -> None:
    result = cropped(ramp(length), samples, start)
    assert len(result) == min(length, samples)
    if len(result):
        first = int(result[0])
        assert result.tolist() == list(range(first, first + len(result)))


def test_a_crop_reaches_both_ends() -> None:
    assert cropped(ramp(10), 4, 0.0).tolist() == [1, 2, 3, 4]
    assert cropped(ramp(10), 4, _LAST).tolist() == [7, 8, 9, 10]


@given(st.integers(0, 50), st.integers(0, 60), _FRACTION)
def test_one_stretch_is_silenced(length: int, samples: int, place: float) -> None:
    wave = ramp(length)
    result = silenced(wave, samples, place)
    assert wave.tolist() == ramp(length).tolist()
    gone = np.flatnonzero(result == 0)
    assert len(gone) == min(samples, length)
    assert len(gone) == 0 or gone[-1] - gone[0] + 1 == len(gone)
    kept = result != 0
    assert (result[kept] == wave[kept]).all()


def test_a_stretch_reaches_both_ends() -> None:
    assert silenced(ramp(4), 1, 0.0).tolist() == [0, 2, 3, 4]
    assert silenced(ramp(4), 1, _LAST).tolist() == [1, 2, 3, 0]


def test_gain_is_exact_and_clips_nothing() -> None:
    wave = np.array([0.5, -1.0, 0.25], np.float32)
    np.testing.assert_allclose(amplified(wave, 6.0206), wave * 2, rtol=1e-5)
    np.testing.assert_allclose(amplified(wave, -20.0), wave / 10, rtol=1e-6)
    assert amplified(wave, 3.0).dtype == np.float32
    assert amplified(wave, 0.0).tolist() == wave.tolist()


def test_draws_fill_their_ranges() -> None:
    rng, ranges = np.random.default_rng(0), WaveformRange(gain_db=3.0, time_masks=2)
    plans = [draw_waveform(rng, ranges) for _ in range(3000)]
    gains = np.array([plan.gain_db for plan in plans])
    assert -3.0 <= gains.min() < -2.95
    assert 2.95 < gains.max() <= 3.0
    assert gains.std() == pytest.approx(3.0 / math.sqrt(3), abs=0.05)
    fractions = np.array([plan.masks for plan in plans])
    assert fractions.shape == (3000, 2, 2)
    assert fractions.mean() == pytest.approx(0.5, abs=0.02)
    assert np.mean([plan.crop_start for plan in plans]) == pytest.approx(0.5, abs=0.02)


@given(st.integers(0, 10_000), st.integers(0, 400))
def test_everything_together(seed: int, length: int) -> None:
    ranges = WaveformRange(gain_db=6.0, crop_s=1.0, time_masks=2, time_mask_s=0.1)
    wave = np.ones(length, np.float32)
    plan = draw_waveform(np.random.default_rng(seed), ranges)
    result = apply_waveform(wave, plan, ranges, 200)
    assert result.dtype == np.float32
    assert len(result) == min(length, 200)
    assert np.count_nonzero(result == 0) <= 2 * 20
    sounding = result[result != 0]
    np.testing.assert_allclose(sounding, 10 ** (plan.gain_db / 20), rtol=1e-5)
    assert (wave == 1).all()
    again = draw_waveform(np.random.default_rng(seed), ranges)
    assert again == plan


def test_a_mask_may_have_its_full_width() -> None:
    ranges = WaveformRange(time_masks=1, time_mask_s=0.1)
    rng = np.random.default_rng(0)
    widths = [
        np.count_nonzero(apply_waveform(ramp(100), draw_waveform(rng, ranges), ranges, 100) == 0)
        for _ in range(500)
    ]
    assert set(widths) == set(range(11))


def test_off_by_default() -> None:
    wave = ramp(300)
    plan = draw_waveform(np.random.default_rng(3), WaveformRange())
    assert apply_waveform(wave, plan, WaveformRange(), 100).tolist() == wave.tolist()


def test_a_crop_without_a_sample_is_refused() -> None:
    ranges = WaveformRange(crop_s=0.001)
    plan = draw_waveform(np.random.default_rng(0), ranges)
    with pytest.raises(RecipeError, match=r"0\.001 s at 100 Hz"):
        apply_waveform(ramp(10), plan, ranges, 100)
