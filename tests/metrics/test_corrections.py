from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseek.errors import DataError
from soundseek.metrics.corrections import holm

PS = st.lists(st.floats(0, 1), max_size=12)


def step_by_step(ps: list[float]) -> list[float]:
    """The definition: walk from the smallest, never going down."""
    found = [0.0] * len(ps)
    largest = 0.0
    for done, place in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        largest = max(largest, (len(ps) - done) * ps[place])
        found[place] = min(1.0, largest)
    return found


def test_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(PS)
def test_it_is_the_step_down_walk(ps: list[float]) -> None:
    np.testing.assert_allclose(holm(ps), step_by_step(ps))


@given(PS)
def test_it_lies_between_no_correction_and_bonferroni(ps: list[float]) -> None:
    for p, corrected in zip(ps, holm(ps), strict=True):
        assert p <= corrected <= min(1.0, len(ps) * p)


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value(bad: float) -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        holm([0.5, bad])
