"""Dot products in half precision against plain arithmetic."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.library import scoring
from support.vector_library import unit


def _case(rows: int, width: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    matrix = unit(rng.standard_normal((rows, width))).astype(np.float16)
    vector = unit(rng.standard_normal(width))
    exact = matrix.astype(np.float64) @ vector.astype(np.float16).astype(np.float64)
    return matrix, vector, exact


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 130), st.integers(0, 1000), st.integers(1, 2))
def test_both_ways_equal_exact_arithmetic(rows: int, width: int, seed: int, threads: int) -> None:
    matrix, vector, exact = _case(rows, width, seed)
    for products in (
        scoring.dot_products(matrix, vector, threads=threads),
        scoring.blocked_dot_products(matrix, vector),
    ):
        assert products.shape == (rows,)
        assert products.dtype == np.float32
        np.testing.assert_allclose(products, exact, atol=2e-6)


@pytest.mark.parametrize("rows", [0, 1, scoring._BLOCK_ROWS, scoring._BLOCK_ROWS + 1])
def test_blocks_cover_every_row(rows: int) -> None:
    matrix, vector, exact = _case(rows, 8, 5)
    np.testing.assert_allclose(scoring.blocked_dot_products(matrix, vector), exact, atol=2e-6)
    np.testing.assert_allclose(scoring.dot_products(matrix, vector), exact, atol=2e-6)


def test_threads_change_nothing() -> None:
    matrix, vector, _ = _case(scoring._VALUES_FOR_THREADS // 64 + 1, 64, 1)
    one, two = (scoring.dot_products(matrix, vector, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_works_without_simsimd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simsimd", None)  # importing it fails
    scoring._simsimd.cache_clear()
    try:
        matrix, vector, exact = _case(20, 32, 3)
        np.testing.assert_allclose(scoring.dot_products(matrix, vector), exact, atol=2e-6)
        assert scoring._simsimd() is None
    finally:
        scoring._simsimd.cache_clear()
