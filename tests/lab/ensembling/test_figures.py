from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from soundseek.errors import DataError
from soundseek.lab.ensembling.figures import figures, figures_of, positions_of
from soundseek.metrics.retrieval import retrieval_metrics
from support.similarities import made


@st.composite
def judged(draw: st.DrawFn) -> tuple[Any, Any]:
    queries, clips = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    scores = draw(arrays(np.float32, (queries, clips), elements=st.integers(-2, 2).map(float)))
    relevant = draw(arrays(np.bool_, (queries, clips)))
    relevant[np.arange(queries), draw(st.integers(0, clips - 1))] = True
    return scores, relevant


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(judged=judged(), size=st.integers(1, 200))
def test_in_blocks_they_are_those_of_the_matrix(
    few_rows: Callable[[int], None], judged: tuple[Any, Any], size: int
) -> None:
    few_rows(size)
    scores, relevant = judged
    expected = retrieval_metrics(scores, relevant)
    assert figures_of(made(scores, relevant)) == expected
    assert figures(positions_of([scores], relevant)) == expected


def test_a_query_without_an_answer_is_named() -> None:
    relevant = np.eye(3, dtype=np.bool_)
    relevant[2] = False
    blocks = [np.zeros((2, 3), np.float32), np.zeros((1, 3), np.float32)]
    with pytest.raises(DataError, match="query 2 has no relevant clip"):
        positions_of(blocks, relevant)
    with pytest.raises(DataError, match="no queries"):
        positions_of([], np.zeros((0, 3), np.bool_))
