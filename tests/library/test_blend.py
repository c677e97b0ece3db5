"""The weights of windows make the cosine of the whole; its share shrinks with the length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from soundseek.bundle.sounds import pool_windows
from soundseek.library.blend import whole_shares, whole_weights
from support.vector_library import unit

LENGTHS = st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=12)


@settings(max_examples=100, deadline=None)
@given(LENGTHS, st.integers(0, 2**32))
def test_weights_make_the_vector_of_the_clip(lengths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    windows = unit(rng.standard_normal((len(lengths), 8))).astype(np.float16)
    valid = np.array(lengths, np.uint32)
    mean = np.average(windows.astype(np.float64), axis=0, weights=lengths)
    assume(np.linalg.norm(mean) > 0.01)
    weights = whole_weights(windows, valid)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(
        weights @ windows.astype(np.float32),
        pool_windows(windows.astype(np.float32), valid),
        atol=1e-4,
    )


@pytest.mark.parametrize("lengths", [[5, 5], [6, 2, 4]])
def test_windows_that_cancel_out_weigh_nothing(lengths: list[int]) -> None:
    # Thirds are not exact: what is left over by rounding must not become a direction.
    direction = unit([0.3, -0.4, 0.5])
    windows = np.stack([direction, *[-direction] * (len(lengths) - 1)]).astype(np.float16)
    weights = whole_weights(windows, np.array(lengths, np.uint32))
    assert weights.tolist() == [0.0] * len(lengths)


def test_the_whole_has_half_up_to_30_s_and_less_beyond() -> None:
    shares = whole_shares(np.array([1, 3, 6, 12, 60, 3600]), 5.0)
    assert shares.dtype == np.float32
    assert shares.tolist() == pytest.approx([0.5, 0.5, 0.5, 0.25, 0.05, 1 / 1200])
