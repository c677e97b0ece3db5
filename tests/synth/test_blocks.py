"""The building blocks do what their names say, measured on the spectrum or sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.synth import blocks
from soundseek.synth.blocks import RATE, Signal


def _rng() -> np.random.Generator:
    return np.random.default_rng(1)


def _energy(x: Signal, low: float, high: float) -> float:
    spectrum = np.abs(np.fft.rfft(x)) ** 2
    frequencies = np.fft.rfftfreq(len(x), 1 / RATE)
    return float(spectrum[(frequencies >= low) & (frequencies < high)].sum() / spectrum.sum())


def test_band_noise_has_unit_level_and_stays_in_its_band() -> None:
    x = blocks.band_noise(_rng(), RATE, 1000, 2000, 8)
    assert np.std(x) == pytest.approx(1, abs=0.02)
    assert _energy(x, 800, 2500) > 0.95


@pytest.mark.parametrize("slope_db", [-3.0, -6.0])
def test_coloured_noise_falls_by_its_slope(slope_db: float) -> None:
    x = blocks.coloured(_rng(), 8 * RATE, slope_db)
    # Energy in an octave: the density falls by the slope, the width doubles (+3 dB).
    step = 10 * np.log10(_energy(x, 2000, 4000) / _energy(x, 1000, 2000))
    assert step == pytest.approx(slope_db + 3.01, abs=0.3)


def test_a_filter_that_passes_all_changes_nothing() -> None:
    x = _rng().standard_normal(5000)
    np.testing.assert_allclose(blocks.shaped(x, np.ones_like), x, atol=1e-12)


def test_resonant_favours_its_peaks() -> None:
    x = blocks.resonant(_rng().standard_normal(RATE), [(3000, 50, 1.0)])
    assert _energy(x, 2800, 3200) > 0.8


def test_unit_leaves_silence_silent() -> None:
    np.testing.assert_array_equal(blocks.unit(np.zeros(10)), np.zeros(10))


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 3000), at=st.integers(0, 4000), length=st.integers(1, 3000))
def test_place_matches_adding_sample_by_sample(n: int, at: int, length: int) -> None:
    out = np.ones(n)
    sound = np.arange(1.0, length + 1)
    expected = out.copy()
    for index in range(length):
        if at + index < n:
            expected[at + index] += 0.5 * sound[index]
    blocks.place(out, at, sound, 0.5)
    np.testing.assert_array_equal(out, expected)


@settings(max_examples=50, deadline=None)
@given(n=st.integers(2, 100_000), every=st.floats(0.05, 3.0), jitter=st.floats(0, 0.9))
def test_beats_are_in_range_in_order_and_never_absent(n: int, every: float, jitter: float) -> None:
    positions = list(blocks.beats(_rng(), n, every, jitter))
    assert positions
    assert positions[0] >= 0
    assert positions[-1] < n
    steps = np.diff(positions)
    assert np.all(steps >= every * (1 - jitter) * RATE - 1)
    assert np.all(steps <= every * (1 + jitter) * RATE + 1)


@settings(max_examples=50, deadline=None)
@given(n=st.integers(8, 50_000), per_s=st.floats(0, 50))
def test_scattered_is_in_range_in_order_and_begins_early(n: int, per_s: float) -> None:
    positions = blocks.scattered(_rng(), n, per_s)
    assert positions == sorted(positions)
    assert 0 <= positions[0] <= n // 8
    assert positions[-1] < n


@settings(max_examples=50, deadline=None)
@given(n=st.integers(2, 20_000), per_s=st.floats(0.1, 50))
def test_drift_stays_between_its_limits(n: int, per_s: float) -> None:
    track = blocks.drift(_rng(), n, per_s, -2, 3)
    assert len(track) == n
    assert track.min() >= -2
    assert track.max() <= 3


def test_drift_does_not_jump() -> None:
    assert np.max(np.abs(np.diff(blocks.drift(_rng(), RATE, 10, 0, 1)))) < 0.001


def test_decay_falls_to_a_third_after_its_time_constant() -> None:
    envelope = blocks.decay(RATE, 0.1, 0.001)
    assert envelope[round(0.101 * RATE)] == pytest.approx(np.exp(-1), rel=1e-3)
    assert envelope[0] == 0


def test_reverb_leaves_the_dry_sound_and_adds_a_tail() -> None:
    click = np.zeros(RATE)
    click[0] = 1
    wet = blocks.reverb(_rng(), click, 0.5, 0.5)
    assert wet[0] == pytest.approx(1, abs=0.05)
    tail = np.sum(wet[1:] ** 2)
    assert tail == pytest.approx(0.25, rel=0.05)
    assert np.max(np.abs(wet[round(0.51 * RATE) :])) < 1e-9


def test_tamed_bends_peaks_and_leaves_the_rest() -> None:
    x = 0.1 * _rng().standard_normal(10_000)
    x[50] = 20.0
    out = blocks.tamed(x, 5.0)
    assert abs(out[50]) <= 5 * np.sqrt(np.mean(x**2))
    np.testing.assert_allclose(out[:50], x[:50], rtol=0.05)


def test_crackle_adds_clicks_that_fall_together() -> None:
    dense = blocks.crackle(_rng(), 100, 320_000, 0.0)
    assert np.max(np.abs(dense)) > 1
