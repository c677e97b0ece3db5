from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from soundseek.errors import DataError, RecipeError
from soundseek.lab.ensembling.candidates import (
    WEIGHTS,
    best_weight,
    first_places,
    reordered,
)
from support.similarities import made, noisy

SCORES = arrays(np.float32, (3, 6), elements=st.integers(-3, 3).map(float))


@given(scores=SCORES, k=st.integers(1, 9), logits=SCORES)
def test_the_first_k_are_ordered_anew_and_stay_first(scores: Any, k: int, logits: Any) -> None:
    found = made(scores)
    places = first_places(scores, k)
    k = min(k, 6)
    assert places.shape == (3, k)
    logits = logits[:, :k]
    new = reordered(found, places, logits)
    assert new.scores.dtype == np.float32
    assert new.audio is None
    for row in range(3):
        naive = sorted(range(6), key=lambda i: (-scores[row, i], i))
        assert places[row].tolist() == naive[:k]
        others = naive[k:]
        assert np.array_equal(new.scores[row, others], scores[row, others])
        values = new.scores[row, places[row]]
        if others:
            assert values.min() > scores[row, others].max()
        # The order, and what is equal, are those of the logits.
        assert np.array_equal(
            np.sign(values[:, None] - values), np.sign(logits[row][:, None] - logits[row])
        )


@given(scores=SCORES, logits=SCORES)
def test_a_weight_of_nothing_keeps_the_order(scores: Any, logits: Any) -> None:
    places = first_places(scores, 4)
    new = reordered(made(scores), places, logits[:, :4], 0.0).scores
    for row in range(3):
        own, values = scores[row, places[row]], new[row, places[row]]
        assert np.array_equal(np.sign(values[:, None] - values), np.sign(own[:, None] - own))


def test_a_mixture_weighs_both_on_one_scale() -> None:
    scores = np.array([[0.9, 0.8, 0.1, 0.0]], np.float32)
    logits = np.array([[-100.0, 100.0, 100.0]], np.float32)
    found = made(scores, [[1, 0, 0, 0]])
    places = first_places(scores, 3)
    assert reordered(found, places, logits, 0.5).scores[0].argmax() == 1
    assert reordered(found, places, logits, 0.1).scores[0].argmax() == 0
    # The old best is the new best score.
    assert reordered(found, places, logits, 1.0).scores.max() == pytest.approx(0.9)


def test_large_scores_keep_their_order() -> None:
    """Steps that float32 cannot tell apart would make ties."""
    scores = np.full((1, 5), 1e6, np.float32)
    logits = np.array([[1.0, 2.0, 3.0]], np.float32)
    new = reordered(made(scores), first_places(scores, 3), logits).scores[0]
    assert new[2] > new[1] > new[0] > new[3] == new[4] == np.float32(1e6)


def test_the_weight_is_the_first_that_is_best() -> None:
    found = noisy(3, noise=1.5)
    places = first_places(found.scores, 6)
    right = np.take_along_axis(found.relevant, places, axis=1).astype(np.float32)
    weight, value = best_weight(found, places, right, "R@1")
    trials = [reordered(found, places, right, w).metrics()["R@1"].value for w in WEIGHTS]
    assert value == pytest.approx(max(trials))
    assert weight == WEIGHTS[trials.index(max(trials))]
    wrong, _ = best_weight(found, places, -right)
    assert wrong < 0.5
    constant, _ = best_weight(found, places, np.zeros_like(right))
    assert constant == 0.0
    with pytest.raises(RecipeError, match="no figure is called"):
        best_weight(found, places, right, "mAP")


def test_what_cannot_be() -> None:
    found = noisy(1)
    places = first_places(found.scores, 2)
    with pytest.raises(DataError, match="k is 0"):
        first_places(found.scores, 0)
    for weight in (-0.1, 1.1, float("nan")):
        with pytest.raises(DataError, match="0 to 1"):
            reordered(found, places, np.zeros(places.shape, np.float32), weight)
    with pytest.raises(DataError, match="not finite"):
        reordered(found, places, np.full(places.shape, np.nan, np.float32))
