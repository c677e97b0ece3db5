from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.lab.reporting.figures import (
    chance_recall,
    first_ranks,
    measured,
    recall_by_rank,
    spread,
)
from soundseek.lab.similarities import ListedSound, Similarities
from soundseek.metrics import relevant_positions, retrieval_metrics

pytestmark = pytest.mark.lab


def test_both_directions(found: Any) -> None:
    figures = measured(found)
    assert (figures["clips"], figures["n"], figures["audio_to_text"]["n"]) == (6, 12, 6)
    across = retrieval_metrics(found.scores.T, found.relevant.T)
    for name, metric in found.metrics().items():
        assert figures["metrics"][name]["value"] == round(metric.value, 5)
        theirs = figures["audio_to_text"]["metrics"][name]["value"]
        assert theirs == round(across[name].value, 5)


def test_a_clip_that_no_query_asks_for_is_no_query_itself() -> None:
    clips = [ListedSound(str(i), f"{i}.wav", 0.0, 1.0) for i in range(3)]
    relevant = np.array([[1, 0, 0], [0, 1, 0]], np.bool_)
    scores = np.array([[3, 2, 1], [1, 3, 9]], np.float32)
    figures = measured(Similarities(["a", "b"], clips, scores, relevant))
    assert (figures["clips"], figures["n"], figures["audio_to_text"]["n"]) == (3, 2, 2)
    assert figures["audio_to_text"]["metrics"]["R@1"]["value"] == 1.0


def test_recall_by_rank_agrees_with_ranks_that_are_sorted_out(found: Any) -> None:
    positions = relevant_positions(found.scores, found.relevant)
    curve = recall_by_rank(positions, 6, most=4)
    assert curve.k.tolist() == [1, 2, 3, 4]
    ranks = np.array(
        [
            1 + sum(score >= row[i // 2] for j, score in enumerate(row) if j != i // 2)
            for i, row in enumerate(found.scores)
        ]
    )
    assert first_ranks(positions).tolist() == ranks.tolist()
    assert curve.recall == pytest.approx([(ranks <= k).mean() for k in curve.k])
    assert (curve.low <= curve.recall).all()
    assert (curve.recall <= curve.high).all()
    assert recall_by_rank(positions, 6).k[-1] == 6


def test_chance_is_what_random_orders_find() -> None:
    rng = np.random.default_rng(0)
    totals = np.array([1, 3, 9])
    expected = np.zeros(5)
    for _ in range(4000):
        for total in totals:
            first = rng.permutation(10)[:total].min()
            expected += np.arange(1, 6) > first
    found = chance_recall(totals, 10, np.arange(1, 6))
    assert found == pytest.approx(expected / 4000 / 3, abs=0.015)
    assert chance_recall(np.array([1]), 5, np.arange(1, 6)) == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1]
    )


def test_the_spread_counts_every_finite_pair_and_finds_the_equal_error() -> None:
    rng = np.random.default_rng(2)
    relevant = rng.random((600, 40)) < 0.2
    scores = (rng.normal(size=relevant.shape) + 2.0 * relevant).astype(np.float32)
    scores[5, 3] = -np.inf
    clips = [ListedSound(str(i), f"{i}.wav", 0.0, 1.0) for i in range(40)]
    pairs = spread(Similarities(["q"] * 600, clips, scores, relevant))
    assert pairs.relevant.sum() + pairs.others.sum() == scores.size - 1
    assert pairs.threshold is not None
    # Two bells of deviation 1 at 0 and 2 cross at 1, where 15.9 % lie on the wrong side.
    assert pairs.threshold == pytest.approx(1.0, abs=0.06)
    assert pairs.error == pytest.approx(0.159, abs=0.01)
    missed = (scores[relevant] < pairs.threshold).mean()
    mistaken = (scores[~relevant] >= pairs.threshold).mean()
    assert missed == pytest.approx(mistaken, abs=0.01)
    edges, one, other = pairs.coarser(20)
    assert (one * np.diff(edges)).sum() == pytest.approx(1.0)
    assert (other * np.diff(edges)).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_scores_that_are_all_the_same_have_a_spread_too(value: float) -> None:
    clips = [ListedSound(str(i), f"{i}.wav", 0.0, 1.0) for i in range(2)]
    same = np.full((2, 2), value, np.float32)
    pairs = spread(Similarities(["a", "b"], clips, same, np.eye(2, dtype=np.bool_)))
    assert (pairs.relevant.sum(), pairs.others.sum()) == (2, 2)
    lonely = Similarities(["a"], clips[:1], same[:1, :1], np.ones((1, 1), np.bool_))
    assert spread(lonely).threshold is None
    positions = relevant_positions(lonely.scores, lonely.relevant)
    assert recall_by_rank(positions, 1).recall.tolist() == [1.0]
