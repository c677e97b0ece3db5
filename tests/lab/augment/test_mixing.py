from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from soundseek.lab.augment.mixing import mixed, placed

pytestmark = pytest.mark.lab

_FRACTION = st.floats(0.0, 1.0, exclude_max=True)


def noise(n: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def rms(wave: np.ndarray) -> float:
    return math.sqrt(float(np.mean(np.square(wave, dtype=np.float64))))


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
