"""What scores mean to people."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseek.bundle.schema import Calibration
from soundseek.serve.probability import Meanings, of_hits, probability

CURVE = Calibration(slope=10.0, intercept=-5.0, fitted_on="hits")


@given(st.floats(-1, 1))
def test_the_curve(cosine: float) -> None:
    expected = 1 / (1 + math.exp(-(10 * cosine - 5)))
    assert probability(CURVE, cosine) == pytest.approx(expected, abs=5e-5)


def test_curves_that_are_steep_do_not_overflow() -> None:
    steep = Calibration(slope=1e6, intercept=0.0)
    assert (probability(steep, -1), probability(steep, 1)) == (0.0, 1.0)


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30), st.data())
def test_percentiles_count_those_that_are_not_better(
    values: list[float], data: st.DataObject
) -> None:
    one = data.draw(st.sampled_from(values))
    meaning = Meanings(np.array(values, np.float32), CURVE, is_text=False).of(one)
    expected = 100 * sum(value <= one for value in values) / len(values)
    assert meaning.probability is None
    assert meaning.percentile == pytest.approx(expected, abs=0.01)


def test_a_text_has_a_probability_where_the_model_is_calibrated() -> None:
    values = np.array([0.1, 0.5], np.float32)
    meaning = Meanings(values, CURVE, is_text=True).of(0.5)
    assert (meaning.probability, meaning.percentile) == (0.5, None)
    meaning = Meanings(values, None, is_text=True).of(0.5)
    assert (meaning.probability, meaning.percentile) == (None, 100.0)


def test_only_a_calibration_on_hits_is_shown() -> None:
    assert of_hits(CURVE) is CURVE
    assert of_hits(Calibration(slope=10.0, intercept=-5.0)) is None
    assert of_hits(None) is None


def test_of_nothing_nothing_is_said() -> None:
    meaning = Meanings(np.empty(0, np.float32), None, is_text=True).of(0.5)
    assert (meaning.probability, meaning.percentile) == (None, None)
