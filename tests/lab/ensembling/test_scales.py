from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from soundseek.errors import RecipeError
from soundseek.lab.ensembling.scales import SCALES, moments, scaled, scaler

SCORES = arrays(np.float32, (6, 5), elements=st.integers(-3, 3).map(float))


def naive(scores: Any, scale: str) -> Any:
    values = np.asarray(scores, np.float64)
    if scale == "none":
        return values
    if scale == "rank":
        return np.array(
            [
                [(sum(o < v for o in row) + sum(o == v for o in row) / 2) / len(row) for v in row]
                for row in values
            ]
        )
    rows = [values] if scale == "zscore" else list(values)
    parts = [(row - row.mean()) / (row.std() if row.std() > 0 else 1.0) for row in rows]
    return parts[0] if scale == "zscore" else np.stack(parts)


@given(scores=SCORES, scale=st.sampled_from(SCALES), rows=st.integers(1, 7))
def test_every_scale_in_blocks_is_the_naive_one(scores: Any, scale: Any, rows: int) -> None:
    parts = [scores[start : start + rows] for start in range(0, 6, rows)]
    to_scale = scaler(scale, lambda: iter(parts))
    found = np.concatenate([to_scale(part) for part in parts])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, naive(scores, scale), atol=1e-5)
    np.testing.assert_allclose(scaled(scores, scale), found, atol=1e-6)


@pytest.mark.parametrize("scale", [scale for scale in SCALES if scale not in ("none", "rank")])
def test_constant_scores_become_zero(scale: Any) -> None:
    assert not scaled(np.full((3, 4), 7.3, np.float32), scale).any()


def test_ranks_take_infinities() -> None:
    row = np.array([[np.inf, -np.inf, 1.0, 1.0]], np.float32)
    np.testing.assert_allclose(scaled(row, "rank"), [[3.5 / 4, 0.5 / 4, 2 / 4, 2 / 4]])


def test_moments_far_from_zero_are_exact() -> None:
    """Sums of squares would lose the deviation there."""
    values = (10_000 + np.random.default_rng(0).standard_normal((200, 50))).astype(np.float32)
    mean, deviation = moments([values[:3], values[3:3], values[3:]])
    assert mean == pytest.approx(values.mean(dtype=np.float64), rel=1e-12)
    assert deviation == pytest.approx(values.std(dtype=np.float64), rel=1e-9)
    assert moments([]) == (0.0, 0.0)


def test_another_name_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"no scale is called 'z-score'\n.*'zscore'"):
        scaled(np.zeros((1, 2), np.float32), "z-score")  # type: ignore[arg-type]
