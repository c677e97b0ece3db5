from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from soundseek.errors import DataError
from soundseek.metrics import (
    average_precision_at,
    recall_at,
    relevant_positions,
    retrieval_metrics,
)


def naive_places(scores: list[float], relevant: set[int]) -> list[int]:
    """Sort the items by falling score; among ties, irrelevant ones first."""
    order = sorted(range(len(scores)), key=lambda item: (-scores[item], item in relevant))
    return [place for place, item in enumerate(order, start=1) if item in relevant]


def naive_ap(places: list[int], total: int, k: int) -> float:
    precision = {place: sum(other <= place for other in places) / place for place in places}
    return sum(precision[place] for place in places if place <= k) / total


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 9)))
    # Few distinct scores, so that ties abound; infinities are legal scores.
    score = st.sampled_from([-math.inf, -1.0, 0.0, 0.25, 0.5, 1.0, math.inf])
    scores = draw(arrays(np.float64, shape, elements=score))
    relevant = draw(arrays(np.bool_, shape))
    for row in range(shape[0]):
        relevant[row, draw(st.integers(0, shape[1] - 1))] = True
    return scores, relevant


@given(problems(), st.integers(1, 12))
def test_equals_a_naive_oracle(problem: tuple[np.ndarray, np.ndarray], k: int) -> None:
    scores, relevant = problem
    positions = relevant_positions(scores, relevant)
    recalls, precisions = recall_at(positions, k), average_precision_at(positions, k)
    firsts = []
    for row in range(len(scores)):
        wanted = set(np.flatnonzero(relevant[row]).tolist())
        places = naive_places(scores[row].tolist(), wanted)
        firsts.append(places[0])
        assert positions.places[row, : len(places)].tolist() == places
        assert np.isinf(positions.places[row, len(places) :]).all()
        assert recalls[row] == float(places[0] <= k)
        assert precisions[row] == pytest.approx(naive_ap(places, len(wanted), k), abs=1e-12)
    metrics = retrieval_metrics(scores, relevant, ks=(k,), map_ks=(k,))
    assert metrics[f"R@{k}"].value == pytest.approx(recalls.mean())
    assert metrics[f"mAP@{k}"].value == pytest.approx(precisions.mean())
    assert metrics["medR"].value == float(np.median(firsts))


@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_items_does_not_matter(problem, random) -> None:
    scores, relevant = problem
    order = list(range(scores.shape[1]))
    random.shuffle(order)
    shuffled = relevant_positions(scores[:, order], relevant[:, order])
    assert np.array_equal(shuffled.places, relevant_positions(scores, relevant).places)


def test_one_relevant_item_gives_hits_and_reciprocal_ranks() -> None:
    scores = np.array([[0.9, 0.1, 0.5], [0.9, 0.1, 0.5], [0.9, 0.1, 0.5]])
    metrics = retrieval_metrics(scores, [0, 2, 1], ks=(1, 2), map_ks=(2, 10))
    assert metrics["R@1"].value == pytest.approx(1 / 3)
    assert metrics["R@2"].value == pytest.approx(2 / 3)
    assert metrics["mAP@2"].value == pytest.approx((1 + 1 / 2) / 3)
    assert metrics["mAP@10"].value == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert metrics["medR"].value == 2.0


def test_average_precision_of_a_worked_example() -> None:
    # Relevant items at places 1, 3 and 6 of six; with k = 4 the last one earns nothing.
    scores = np.array([[6.0, 5.0, 4.0, 3.0, 2.0, 1.0]])
    positions = relevant_positions(scores, [[0, 2, 5]])
    assert average_precision_at(positions, 10)[0] == pytest.approx((1 / 1 + 2 / 3 + 3 / 6) / 3)
    assert average_precision_at(positions, 4)[0] == pytest.approx((1 / 1 + 2 / 3) / 3)


def test_the_divisor_is_all_relevant_items_even_beyond_k() -> None:
    scores = np.arange(20.0)[None, ::-1]
    positions = relevant_positions(scores, np.ones((1, 20), dtype=bool))
    assert average_precision_at(positions, 10)[0] == pytest.approx(0.5)
    assert recall_at(positions, 1)[0] == 1.0


def test_constant_scores_earn_the_worst_rank() -> None:
    positions = relevant_positions(np.zeros((1, 50)), [7])
    assert positions.places[0, 0] == 50


def test_metric_names_and_intervals() -> None:
    scores = np.random.default_rng(0).standard_normal((40, 12)).astype(np.float32)
    metrics = retrieval_metrics(scores, np.arange(40) % 12)
    assert list(metrics) == ["R@1", "R@5", "R@10", "mAP@10", "mAP@16", "medR"]
    assert metrics["medR"].ci95 is None
    low, high = metrics["mAP@10"].ci95
    assert low < metrics["mAP@10"].value < high


def test_a_single_query_has_no_interval() -> None:
    assert retrieval_metrics(np.zeros((1, 3)), [0])["R@1"].ci95 is None


def test_relevance_as_matrix_indices_and_lists_agree() -> None:
    scores = np.random.default_rng(1).standard_normal((3, 5))
    matrix = np.zeros((3, 5), dtype=bool)
    matrix[[0, 1, 2], [4, 0, 2]] = True
    as_matrix = relevant_positions(scores, matrix).places
    assert np.array_equal(as_matrix, relevant_positions(scores, [4, 0, 2]).places)
    assert np.array_equal(as_matrix, relevant_positions(scores, np.array([4, 0, 2])).places)
    assert np.array_equal(as_matrix, relevant_positions(scores, [[4], (0,), {2}]).places)


@pytest.mark.parametrize(
    ("scores", "relevant", "message"),
    [
        (np.zeros((2, 3)), [[0], []], "1 of 2 queries have no relevant item.*query 1"),
        (np.array([[0.0, np.nan]]), [0], "score of query 0 and item 1 is NaN"),
        (np.zeros((2, 3)), [0], "lists 1 queries"),
        (np.zeros((1, 3)), [3], "item 3"),
        (np.zeros((1, 3)), [[-1]], "item -1"),
        (np.zeros((1, 3)), np.ones((1, 2), dtype=bool), "shape"),
        (np.zeros((1, 2)), [[True, False]], "true and false"),
        (np.zeros(3), [0], "matrix"),
        (np.zeros((0, 3)), [], "no queries"),
    ],
)
def test_bad_input_is_refused(scores, relevant, message) -> None:
    with pytest.raises(DataError, match=message):
        retrieval_metrics(scores, relevant)


def test_k_below_one_is_refused() -> None:
    with pytest.raises(DataError, match="k is 0"):
        retrieval_metrics(np.zeros((1, 2)), [0], ks=(0,))
