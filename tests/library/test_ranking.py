"""The best k, and the fusion of two orders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseek.library.ranking import best, by_sound, fuse

SCORES = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0]), max_size=40)


def _items(ranking: list) -> list[int]:
    return [ranked.item for ranked in ranking]


@given(SCORES, st.integers(1, 50))
def test_best_is_a_sorted_prefix_with_ties_in_order(values: list[float], k: int) -> None:
    scores = np.array(values, dtype=np.float32)
    naive = sorted(range(len(values)), key=lambda index: (-values[index], index))[:k]
    assert best(scores, k).tolist() == naive
    assert _items(by_sound(scores, k)) == naive


def _random_case(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.permutation(np.linspace(-0.2, 0.6, n)).astype(np.float32)
    named = rng.permutation(n)[: rng.integers(0, n + 1)].astype(np.int64)
    coverage = rng.choice([0.25, 0.5, 1.0], len(named)).astype(np.float32)
    return scores, named, coverage


@given(st.integers(0, 10_000), st.integers(1, 300), st.integers(1, 40))
def test_asking_for_more_changes_no_place(seed: int, n: int, k: int) -> None:
    scores, named, coverage = _random_case(seed, n)
    assert fuse(scores, named, coverage, k) == fuse(scores, named, coverage, n)[:k]


@given(st.integers(0, 10_000), st.integers(1, 300))
def test_fusion_ranks_everything_once_by_falling_worth(seed: int, n: int) -> None:
    scores, named, coverage = _random_case(seed, n)
    ranking = fuse(scores, named, coverage, n)
    assert sorted(_items(ranking)) == list(range(n))
    worths = [ranked.score for ranked in ranking]
    assert worths == sorted(worths, reverse=True)
    assert {ranked.item for ranked in ranking if ranked.name_rank} == set(named.tolist())


@given(st.integers(0, 10_000), st.integers(1, 300), st.integers(0, 299))
def test_a_matching_name_never_harms(seed: int, n: int, item: int) -> None:
    scores, named, coverage = _random_case(seed, n)
    item %= n
    others = named != item
    without = fuse(scores, named[others], coverage[others], n)
    with_name = fuse(
        scores, np.append(named[others], item), np.append(coverage[others], np.float32(1)), n
    )
    assert _items(with_name).index(item) <= _items(without).index(item)


def test_without_names_the_order_is_that_of_the_sounds() -> None:
    scores = np.random.default_rng(0).permutation(200).astype(np.float32)
    nothing = np.empty(0, np.int64), np.empty(0, np.float32)
    assert _items(fuse(scores, *nothing, 50)) == _items(by_sound(scores, 50))


@pytest.mark.parametrize("n", [60, 1000])
def test_many_matching_names_do_not_push_out_the_best_sounds(n: int) -> None:
    scores = -np.arange(n, dtype=np.float32)  # item 0 is the best sound
    named = np.arange(n // 2, n)  # half of the library is called so, and sounds unlike it
    places = _items(fuse(scores, named, np.ones(len(named), np.float32), 10))
    assert places[0] == 0
    assert sorted(places)[:5] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("n", [60, 1000])
def test_many_good_sounds_do_not_push_out_the_one_matching_name(n: int) -> None:
    scores = -np.arange(n, dtype=np.float32)
    last = np.array([n - 1])
    places = _items(fuse(scores, last, np.ones(1, np.float32), 10))
    assert places[:2] == [0, n - 1]


def test_name_and_sound_together_win() -> None:
    scores = -np.arange(500, dtype=np.float32)
    named = np.array([20, 400])
    assert _items(fuse(scores, named, np.ones(2, np.float32), 4)) == [20, 0, 1, 400]


def test_a_name_that_matches_one_word_of_four_counts_little() -> None:
    scores = -np.arange(500, dtype=np.float32)
    named = np.array([400])
    assert 400 not in _items(fuse(scores, named, np.full(1, 0.25, np.float32), 50))


def test_equal_names_rank_by_sound() -> None:
    scores = np.array([0.1, 0.9, 0.5, 0.3], dtype=np.float32)
    named = np.array([0, 2, 3])
    ranking = fuse(scores, named, np.ones(3, np.float32), 4)
    assert {ranked.item: ranked.name_rank for ranked in ranking} == {1: None, 2: 1, 3: 2, 0: 3}
