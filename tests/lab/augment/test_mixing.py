from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from soundseek.lab.augment.mixing import (
    MixingRange,
    at_speed,
    draw,
    levelled,
    mixed,
    placed,
)

pytestmark = pytest.mark.lab

_FRACTION = st.floats(0.0, 1.0, exclude_max=True)
_RANGES = MixingRange(probability=0.3, balance_db=6.0, gain_db=9.0, speed=1.2, tilt_db=4.0)


def noise(n: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def rms(wave: np.ndarray) -> float:
    return math.sqrt(float(np.mean(np.square(wave, dtype=np.float64))))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000))
def test_a_plan_stays_in_its_ranges(seed: int) -> None:
    plan = draw(np.random.default_rng(seed), _RANGES)
    assert all(0.0 <= fraction < 1.0 for fraction in plan.starts + plan.places)
    assert all(1 / 1.2 <= speed <= 1.2 for speed in plan.speeds)
    assert abs(plan.balance_db) <= 6.0
    assert abs(plan.gain_db) <= 9.0
    assert abs(plan.tilt_db) <= 4.0


def test_a_plan_depends_on_its_generator_alone() -> None:
    first, again, other = (draw(np.random.default_rng(seed), _RANGES) for seed in (1, 1, 2))
    assert first == again != other


def test_every_range_is_used_to_its_ends() -> None:
    rng = np.random.default_rng(0)
    plans = [draw(rng, _RANGES) for _ in range(2000)]
    assert np.mean([plan.mixed for plan in plans]) == pytest.approx(0.3, abs=0.04)
    for values, bound in (
        ([plan.balance_db for plan in plans], 6.0),
        ([plan.gain_db for plan in plans], 9.0),
        ([plan.tilt_db for plan in plans], 4.0),
        ([math.log(plan.speeds[0]) for plan in plans], math.log(1.2)),
    ):
        assert min(values) < -0.98 * bound
        assert max(values) > 0.98 * bound


@pytest.mark.parametrize(("probability", "expected"), [(0.0, {False}), (1.0, {True})])
def test_probability_at_its_ends(probability: float, expected: set[bool]) -> None:
    rng, ranges = np.random.default_rng(0), replace(_RANGES, probability=probability)
    assert {draw(rng, ranges).mixed for _ in range(200)} == expected


def test_speed_one_is_off() -> None:
    assert draw(np.random.default_rng(0), MixingRange()).speeds == (1.0, 1.0)


@given(st.integers(0, 40), st.integers(1, 40), _FRACTION, _FRACTION)
def test_placed(length: int, samples: int, start: float, place: float) -> None:
    wave = np.arange(1, length + 1, dtype=np.float32)
    result, end = placed(wave, samples, start, place)
    assert result.shape == (samples,)
    if length >= samples:
        assert end == samples
        assert result.tolist() == list(range(int(result[0]), int(result[0]) + samples))
    else:
        assert result[end - length : end].tolist() == wave.tolist()
        assert np.count_nonzero(result) == length


def test_placed_reaches_both_ends() -> None:
    wave, last = np.arange(1, 11, dtype=np.float32), math.nextafter(1.0, 0.0)
    assert placed(wave, 4, 0.0, 0.0)[0].tolist() == [1, 2, 3, 4]
    assert placed(wave, 4, last, 0.0)[0].tolist() == [7, 8, 9, 10]
    assert placed(wave, 12, 0.0, 0.0)[1] == 10
    assert placed(wave, 12, 0.0, last)[1] == 12


@given(st.integers(2, 3000), st.floats(0.5, 2.0))
def test_speed_changes_the_length(length: int, speed: float) -> None:
    assert len(at_speed(noise(length), speed)) == pytest.approx((length - 1) / speed, abs=1.01)


def test_speed_moves_the_pitch() -> None:
    tone = np.sin(2 * np.pi * 500 * np.arange(16_000) / 16_000).astype(np.float32)
    faster = at_speed(tone, 1.25)
    peak = np.abs(np.fft.rfft(faster)).argmax() * 16_000 / len(faster)
    assert peak == pytest.approx(625, abs=2)
    assert at_speed(tone, 1.0) is tone
    assert faster.dtype == np.float32


@pytest.mark.parametrize("balance_db", [-10.0, 0.0, 7.5])
def test_the_second_sound_is_so_much_louder(balance_db: float) -> None:
    first, second = noise(8000, 1), 30 * noise(8000, 2)
    added = mixed(first, second, balance_db) - first
    assert 20 * math.log10(rms(added) / rms(first)) == pytest.approx(balance_db, abs=1e-3)
    assert np.corrcoef(added, second)[0, 1] == pytest.approx(1.0)


def test_padding_does_not_count_as_level() -> None:
    first, second = noise(8000, 1), np.zeros(8000, np.float32)
    second[:1000] = noise(1000, 2)
    added = mixed(first, second, 0.0) - first
    assert rms(added[:1000]) == pytest.approx(rms(first), rel=1e-4)


@pytest.mark.parametrize("silent", [0, 1])
def test_silence_mixes_without_harm(silent: int) -> None:
    sounds = [noise(100), noise(100)]
    sounds[silent] = np.zeros(100, np.float32)
    assert mixed(sounds[0], sounds[1], 6.0).tolist() == sounds[1 - silent].tolist()


@given(st.floats(-40, 40), st.floats(1e-4, 2.0))
def test_levelled_changes_the_level_up_to_the_peak(gain_db: float, peak: float) -> None:
    wave = noise(200)
    wave *= np.float32(peak / np.abs(wave).max())
    result = levelled(wave, gain_db)
    assert np.abs(result).max() <= 0.99 + 1e-6
    expected = min(10 ** (gain_db / 20), 0.99 / peak)
    np.testing.assert_allclose(result, wave * expected, rtol=1e-4)


def test_silence_has_no_level() -> None:
    assert not levelled(np.zeros(10, np.float32), 20.0).any()
    assert levelled(np.zeros(0, np.float32), 20.0).size == 0
