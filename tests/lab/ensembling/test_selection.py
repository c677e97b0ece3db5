from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soundseek.errors import RecipeError
from soundseek.lab.ensembling.join import BY, mixture
from soundseek.lab.ensembling.scales import scaled
from soundseek.lab.ensembling.selection import greedy, select
from soundseek.metrics.retrieval import retrieval_metrics
from support.similarities import noisy


def oracle(members: Sequence[Any], scale: Any, figure: str, replacement: bool) -> list[int]:
    """By the letter of the paper, every ensemble made anew."""
    bag: list[int] = []
    best = -1.0
    while True:
        trials = {}
        for i in range(len(members)):
            if not replacement and i in bag:
                continue
            mean = np.mean([scaled(members[j].scores, scale) for j in [*bag, i]], axis=0)
            trials[i] = retrieval_metrics(mean, members[0].relevant)[figure].value
        if not trials or max(trials.values()) <= best + 1e-9:
            return bag
        best = max(trials.values())
        bag.append(next(i for i, value in trials.items() if value == best))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seeds=st.lists(st.integers(0, 50), min_size=1, max_size=4, unique=True),
    scale=st.sampled_from(["none", "zscore", "query_zscore"]),
    replacement=st.booleans(),
    figure=st.sampled_from(["mAP@10", "R@5"]),
    size=st.integers(100, 5000),
)
def test_it_takes_what_the_naive_selection_takes(
    few_rows: Callable[[int], None],
    seeds: list[int],
    scale: Any,
    replacement: bool,
    figure: str,
    size: int,
) -> None:
    few_rows(size)
    members = [noisy(seed, noise=1.0 + seed / 25) for seed in seeds]
    named = {str(i): member for i, member in enumerate(members)}
    found = select(
        mixture(named, scale=scale, by="similarities"), figure=figure, replacement=replacement
    )
    taken = oracle(members, scale, figure, replacement)
    assert [one.member for one in found.rounds] == taken
    assert found.counts == tuple(taken.count(i) for i in range(len(members)))
    values = [one.value for one in found.rounds]
    assert values == sorted(set(values))


@pytest.mark.parametrize("by", BY)
def test_a_bad_member_is_left_out(by: Any) -> None:
    members = {"bad": noisy(0, noise=30.0), "one": noisy(1, noise=0.8), "two": noisy(2, noise=0.8)}
    found = select(mixture(members, scale="zscore", by=by))
    assert found.counts[0] == 0
    assert sum(found.counts) >= 1


def test_of_equals_the_first_is_taken_once() -> None:
    one = noisy(1)
    found = select(mixture({"a": one, "b": one}, by="similarities"))
    assert found.counts == (1, 0)


def test_it_ends() -> None:
    always = iter(range(10**6))
    rounds = greedy(lambda counts: [float(next(always)) for _ in counts], 2, most=7)
    assert len(rounds) == 7
    once = greedy(lambda counts: [sum(counts) + 0.5] * 3, 3, replacement=False)
    assert [one.member for one in once] == [0, 1, 2]


def test_another_figure_is_refused() -> None:
    with pytest.raises(RecipeError, match="no figure is called 'mAP@20'"):
        select(mixture({"a": noisy(1)}, by="similarities"), figure="mAP@20")
