"""Peaks against a naive loop over every sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.serve import peaks
from soundseek.serve.peaks import folded, peaks_of


def naive(samples: np.ndarray, n_samples: int, bins: int) -> np.ndarray:
    low, high = [[] for _ in range(bins)], [[] for _ in range(bins)]
    for index, sample in enumerate(samples):
        place = min(index * bins // n_samples, bins - 1)
        low[place].append(sample)
        high[place].append(sample)
    both = [[min(one, default=0) for one in low], [max(one, default=0) for one in high]]
    return np.clip(np.rint(np.array(both, np.float32) * 127), -128, 127).astype(np.int8)


@settings(deadline=None)
@given(
    n=st.integers(1, 300),
    told=st.integers(1, 300),
    cuts=st.lists(st.integers(0, 300), max_size=5),
    most=st.integers(1, 40),
    seed=st.integers(0, 99),
)
def test_against_a_loop(n: int, told: int, cuts: list[int], most: int, seed: int) -> None:
    samples = np.random.default_rng(seed).uniform(-1.2, 1.2, n).astype(np.float32)
    blocks = np.split(samples, sorted(min(cut, n) for cut in cuts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peaks, "MOST_BINS", most)
        found = peaks_of(blocks, told)
    np.testing.assert_array_equal(found, naive(samples, told, min(most, told)))


def test_no_sound_is_silence() -> None:
    assert peaks_of([], 0).tolist() == [[0], [0]]


@given(have=st.integers(1, 60), bins=st.integers(1, 90), seed=st.integers(0, 99))
def test_folding_covers_what_it_touches(have: int, bins: int, seed: int) -> None:
    stored = np.random.default_rng(seed).integers(-128, 128, (2, have)).astype(np.int8)
    found = folded(stored, bins)
    assert found.shape == (2, bins)
    for place in range(bins):
        first = place * have // bins
        last = max(-(-(place + 1) * have // bins), first + 1)
        assert found[0, place] == stored[0, first:last].min()
        assert found[1, place] == stored[1, first:last].max()
