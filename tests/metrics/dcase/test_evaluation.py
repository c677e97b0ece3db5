from __future__ import annotations

import math

import numpy as np
import pytest

from soundseek.errors import DataError
from soundseek.metrics import Positions, relevant_positions, retrieval_metrics
from soundseek.metrics.dcase import compared, evaluated


def positions(*first: float) -> Positions:
    return Positions(np.array(first)[:, None], np.ones(len(first), dtype=np.int64))


def test_all_places_known_gives_all_metrics() -> None:
    scores = np.random.default_rng(0).random((30, 40))
    found = evaluated(relevant_positions(scores, np.arange(30)))
    assert found.metrics == retrieval_metrics(scores, np.arange(30))
    assert (found.n, found.left_out) == (30, [])
    assert found.metrics["R@5"].value == found.values["R@5"].mean()


@pytest.mark.parametrize(
    ("depth", "left_out"),
    [
        (10, ["mAP@16"]),
        (16, []),
        (5, ["R@10", "mAP@10", "mAP@16"]),
    ],
)
def test_what_known_places_do_not_give_is_left_out(depth: int, left_out: list[str]) -> None:
    assert evaluated(positions(1, 1, math.inf), depth).left_out == left_out


@pytest.mark.parametrize(
    ("first", "median"),
    [
        ([1, 3, math.inf], 3.0),
        ([1, 3, 4, math.inf], 3.5),
        ([1, math.inf], None),
        ([1, math.inf, math.inf], None),
    ],
)
def test_a_median_rank_beyond_the_known_places_is_left_out(
    first: list[float], median: float | None
) -> None:
    found = evaluated(positions(*first), 10).metrics.get("medR")
    assert (found and found.value) == median


def test_systems_are_compared_by_the_metrics_of_both() -> None:
    some, all_places = evaluated(positions(1, 2, 3), 10), evaluated(positions(2, 2, 1))
    found = compared(some, all_places, seed=1)
    assert list(found) == ["R@1", "R@5", "R@10", "mAP@10"]
    assert found["R@1"].differing == 2
    assert found["R@1"].difference == 0.0
    assert found["mAP@10"].difference == pytest.approx((1 - 0.5 + 1 / 3 - 1) / 3)
    assert found == compared(some, all_places, seed=1)


def test_other_numbers_of_queries() -> None:
    with pytest.raises(DataError, match="equal length"):
        compared(evaluated(positions(1, 2)), evaluated(positions(1)), seed=1)


def test_no_common_metric() -> None:
    none = evaluated(positions(1, 2), 0)
    assert none.values == {}
    with pytest.raises(DataError, match="no metric in common"):
        compared(none, evaluated(positions(1, 2)), seed=1)
