from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseek.errors import DataError
from soundseek.metrics import jackknife_interval, paired_test


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def naive_p(differences: list[float]) -> float:
    """Every sign pattern of every query, those that do not differ included."""
    observed = abs(math.fsum(differences))
    patterns = list(itertools.product([1, -1], repeat=len(differences)))
    sums = (
        abs(math.fsum(s * d for s, d in zip(signs, differences, strict=True))) for signs in patterns
    )
    return sum(total >= observed - 1e-9 for total in sums) / len(patterns)


value = st.sampled_from([0.0, 0.1, 0.2, 0.25, 1 / 3, 0.5, 1.0])


@given(st.lists(st.tuples(value, value), min_size=1, max_size=9))
def test_few_queries_equal_a_naive_oracle(pairs: list[tuple[float, float]]) -> None:
    first, second = zip(*pairs, strict=True)
    found = paired_test(first, second, rng())
    differences = [a - b for a, b in pairs]
    assert found.exact
    assert found.p == pytest.approx(naive_p(differences), abs=1e-12)
    assert found.difference == pytest.approx(np.mean(differences))
    assert found.differing == sum(a != b for a, b in pairs)
    if len(pairs) > 1:
        assert found.ci95 == pytest.approx(jackknife_interval(differences))


@given(st.lists(st.tuples(value, value), min_size=1, max_size=40), st.integers(0, 9))
def test_swapping_the_systems_turns_the_sign_and_keeps_p(
    pairs: list[tuple[float, float]], seed: int
) -> None:
    first, second = zip(*pairs, strict=True)
    one = paired_test(first, second, rng(seed), 200)
    other = paired_test(second, first, rng(seed), 200)
    assert other.difference == -one.difference
    assert other.p == one.p
    assert 0.0 < one.p <= 1.0


def test_all_better_is_as_extreme_as_can_be() -> None:
    assert paired_test([1.0] * 5, [0.0] * 5, rng()).p == 2 / 2**5


def test_the_same_system_twice() -> None:
    found = paired_test([0.5] * 30, [0.5] * 30, rng())
    assert (found.p, found.difference, found.differing) == (1.0, 0.0, 0)
    assert found.exact
    assert found.ci95 == (0.0, 0.0)


def test_sixteen_differing_queries_are_exact_and_seventeen_are_drawn() -> None:
    zeros = [0.0] * 100
    few = paired_test([1.0] * 16 + [0.0] * 84, zeros, rng(), 50)
    many = paired_test([1.0] * 17 + [0.0] * 83, zeros, rng(), 50)
    assert (few.exact, few.permutations) == (True, 2**16)
    assert (many.exact, many.permutations) == (False, 50)


def test_drawn_p_counts_the_observed_pattern() -> None:
    found = paired_test([1.0] * 200, [0.0] * 200, rng(), 99)
    assert found.p == 1 / 100


@pytest.mark.parametrize("distinct", [False, True])
def test_drawn_p_agrees_with_the_exact_one(distinct: bool) -> None:
    # 17 differing queries, so that patterns are drawn; sizes alike and all different.
    sizes = np.linspace(0.5, 1.0, 17) if distinct else np.full(17, 0.5)
    differences = sizes * np.where(np.arange(17) % 3 == 0, -1.0, 1.0)
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums + size, sums - size])
    exact = float((np.abs(sums) >= abs(differences.sum()) - 1e-9).mean())
    found = paired_test(differences, np.zeros(17), rng(3), 20_000)
    assert not found.exact
    assert found.p == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 20_000))


def test_equal_seeds_give_equal_results() -> None:
    first, second = rng(1).random(300), rng(2).random(300)
    assert paired_test(first, second, rng(5)) == paired_test(first, second, rng(5))


def test_p_is_uniform_where_nothing_differs() -> None:
    values = rng(4)
    found = [paired_test(values.random(40), values.random(40), values, 199).p for _ in range(300)]
    assert np.mean(np.array(found) <= 0.1) == pytest.approx(0.1, abs=0.055)


def test_a_single_query_has_no_interval() -> None:
    found = paired_test([1.0], [0.0], rng())
    assert (found.ci95, found.p, found.n) == (None, 1.0, 1)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ([], [], "equal length"),
        ([1.0], [1.0, 2.0], r"shapes \(1,\) and \(2,\)"),
        ([[1.0]], [[1.0]], "equal length"),
        ([1.0, math.nan], [1.0, 1.0], "value 1 of the first system is nan"),
        ([1.0], [math.inf], "value 0 of the second system is inf"),
    ],
)
def test_what_cannot_be_compared(first: list[float], second: list[float], words: str) -> None:
    with pytest.raises(DataError, match=words):
        paired_test(first, second, rng())


def test_no_permutations() -> None:
    with pytest.raises(DataError, match="permutations is 0"):
        paired_test([1.0], [0.0], rng(), 0)
