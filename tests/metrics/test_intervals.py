from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseek.errors import DataError
from soundseek.metrics import jackknife_interval


def leave_one_out(values: list[float], z: float) -> tuple[float, float]:
    """The general jackknife with its bias correction, as astropy's jackknife_stats has it."""
    n = len(values)
    estimate = sum(values) / n
    resampled = [sum(values[:i] + values[i + 1 :]) / (n - 1) for i in range(n)]
    middle = sum(resampled) / n
    corrected = estimate - (n - 1) * (middle - estimate)
    error = math.sqrt((n - 1) * sum((one - middle) ** 2 for one in resampled) / n)
    return corrected - z * error, corrected + z * error


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=30))
def test_equals_leaving_one_out(values: list[float]) -> None:
    expected = leave_one_out(values, 1.959963984540054)
    assert jackknife_interval(values) == pytest.approx(expected, abs=1e-9)


def test_confidence_widens_the_interval() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 1.0]
    low, high = jackknife_interval(values, confidence=0.6826894921370859)
    error = np.std(values, ddof=1) / math.sqrt(5)
    assert (low, high) == pytest.approx((0.6 - error, 0.6 + error))


@pytest.mark.parametrize(
    ("values", "confidence", "message"),
    [
        ([1.0], 0.95, "at least two"),
        ([[1.0, 2.0]], 0.95, "list"),
        ([1.0, math.nan], 0.95, "value 1 is nan"),
        ([1.0, 2.0], 1.0, "confidence"),
    ],
)
def test_bad_input_is_refused(values, confidence, message) -> None:
    with pytest.raises(DataError, match=message):
        jackknife_interval(values, confidence)
