from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from soundseek.bundle.captioning.decoding import Decoding, Written, log_softmax
from soundseek.errors import QueryError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "sampling"}, "choose beam, greedy, nucleus"),
        ({"beams": 0}, "beams = 0: at least 1"),
        ({"min_tokens": -1}, "min_tokens = -1"),
        ({"min_tokens": 5, "max_tokens": 5}, "max_tokens = 5: above min_tokens = 5"),
        ({"no_repeat_ngram": -1}, "no_repeat_ngram"),
        ({"length_penalty": float("nan")}, "length_penalty = nan: finite"),
        ({"top_p": 0.0}, "top_p = 0.0: above 0, at most 1"),
        ({"top_p": 1.5}, "top_p = 1.5"),
        ({"temperature": 0.0}, "temperature = 0.0"),
        ({"temperature": float("inf")}, "temperature = inf"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(QueryError, match=message):
        Decoding(**settings)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(QueryError, match=r"beams = 0.*; seed = -2"):
        Decoding(beams=0, seed=-2)


def test_a_score_is_the_mean_over_tokens() -> None:
    assert Written((5, 1), (-1.0, -2.0)).mean == -1.5
    assert Written((), ()).mean == 0.0


def test_log_softmax_neither_overflows_nor_loses_rows() -> None:
    logits = np.array([[1e4, 1e4], [0.0, np.log(3.0)]], dtype=np.float32)
    assert np.exp(log_softmax(logits)) == pytest.approx(np.array([[0.5, 0.5], [0.25, 0.75]]))
