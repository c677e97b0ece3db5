from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch

from soundseek.errors import RecipeError
from soundseek.lab.augment.spectrogram import (
    Fractions,
    Stripe,
    StripePlan,
    StripeRange,
    Stripes,
    apply_stripes,
    draw_stripes,
    place_stripe,
    without_stripes,
)

pytestmark = pytest.mark.lab

_CONVENTION: Any = st.sampled_from(["panns", "torchaudio"])
_RANGES = st.builds(
    StripeRange,
    st.integers(0, 8),
    st.integers(0, 64),
    st.integers(0, 2),
    st.integers(0, 32),
    _CONVENTION,
)


def ones(*shape: int) -> torch.Tensor:
    return torch.ones(shape)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), _RANGES, st.integers(0, 90), st.integers(1, 40))
def test_what_is_masked_is_whole_stripes_of_bounded_width(
    seed: int, ranges: StripeRange, frames: int, bands: int
) -> None:
    x = ones(2, frames, bands)
    plans = [draw_stripes(np.random.default_rng((seed, i)), ranges) for i in range(2)]
    result = apply_stripes(x, plans, ranges)
    assert result.shape == x.shape
    assert bool((x == 1).all())
    for item in result.numpy() == 0:
        lost_frames, lost_bands = item.all(1).sum(), item.all(0).sum()
        if lost_frames < frames and lost_bands < bands:
            assert lost_frames <= ranges.time_stripes * ranges.time_width
            assert lost_bands <= ranges.band_stripes * ranges.band_width
            # Cells are only lost as part of a whole frame or a whole band.
            assert (item == (item.all(1)[:, None] | item.all(0)[None, :])).all()


@given(
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 70),
    st.integers(0, 100),
    _CONVENTION,
)
def test_a_stripe_lies_within(
    width: float, begin: float, most: int, total: int, convention: Any
) -> None:
    stripe = place_stripe(Fractions(width, begin), most, total, convention)
    assert stripe.begin >= 0
    assert 0 <= stripe.width <= min(most, total)
    assert stripe.begin + stripe.width <= total


@pytest.mark.parametrize("convention", ["panns", "torchaudio"])
def test_widths_and_places_are_uniform(convention: Any) -> None:
    ranges = StripeRange(1, 10, 0, 0, convention)
    rng = np.random.default_rng(0)
    stripes = [
        place_stripe(draw_stripes(rng, ranges).time[0], 10, 110, convention) for _ in range(8000)
    ]
    widths = np.bincount([stripe.width for stripe in stripes], minlength=11) / len(stripes)
    np.testing.assert_allclose(widths[:10], 0.1, atol=0.015)
    assert widths[10] == 0
    narrow = [stripe.begin for stripe in stripes if stripe.width == 0]
    assert min(narrow) < 3
    assert 105 < max(narrow) < 110
    assert np.mean(narrow) == pytest.approx(54.5, abs=4)


def test_panns_never_reaches_the_last_cell_and_torchaudio_may() -> None:
    last = Fractions(0.55, np.nextafter(1.0, 0.0))
    assert place_stripe(last, 8, 100, "panns") == Stripe(95, 4)
    assert place_stripe(Fractions(0.5, last.begin), 8, 100, "torchaudio") == Stripe(95, 4)
    assert place_stripe(Fractions(0.0, last.begin), 8, 100, "panns").begin == 99


def test_torchaudio_places_by_the_width_before_it_is_cut() -> None:
    assert place_stripe(Fractions(0.99, 0.995), 2, 100, "torchaudio") == Stripe(97, 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), _RANGES, st.lists(st.integers(0, 60), min_size=1, max_size=4))
def test_a_batch_gives_what_single_items_give(
    seed: int, ranges: StripeRange, lengths: list[int]
) -> None:
    frames = max(lengths)
    x = torch.randn(len(lengths), frames, 12, generator=torch.Generator().manual_seed(seed))
    plans = [draw_stripes(np.random.default_rng((seed, i)), ranges) for i in range(len(lengths))]
    together = apply_stripes(x, plans, ranges, lengths=torch.tensor(lengths))
    for i, n in enumerate(lengths):
        alone = apply_stripes(x[i : i + 1, :n], plans[i : i + 1], ranges)
        assert torch.equal(together[i : i + 1, :n], alone)


def test_time_stripes_fall_before_the_padding() -> None:
    ranges = StripeRange(3, 20, 0, 0)
    plans = [draw_stripes(np.random.default_rng(i), ranges) for i in range(30)]
    result = apply_stripes(ones(30, 100, 4), plans, ranges, lengths=torch.full((30,), 30))
    assert bool((result[:, 30:] == 1).all())
    assert bool((result[:, :30] == 0).any())


def test_a_channel_axis_and_another_value() -> None:
    ranges = StripeRange(2, 6, 1, 4)
    plans = [draw_stripes(np.random.default_rng(i), ranges) for i in range(3)]
    x = torch.randn(3, 20, 8, generator=torch.Generator().manual_seed(0))
    plain = apply_stripes(x, plans, ranges, value=0.9)
    assert torch.equal(apply_stripes(x[:, None], plans, ranges, value=0.9)[:, 0], plain)
    changed = plain != x
    assert bool(changed.any())
    assert bool((plain[changed] == 0.9).all())


def test_written_where_it_says() -> None:
    result = without_stripes(ones(1, 6, 4), [Stripes((Stripe(1, 2),), (Stripe(3, 1),))])[0]
    expected = np.ones((6, 4))
    expected[1:3] = 0
    expected[:, 3] = 0
    np.testing.assert_array_equal(result.numpy(), expected)


def test_gradients_flow_around_the_stripes() -> None:
    x = ones(1, 4, 2).requires_grad_()
    without_stripes(x, [Stripes((Stripe(1, 2),))]).sum().backward()
    assert x.grad is not None
    assert x.grad[0, :, 0].tolist() == [1, 0, 0, 1]


def test_a_plan_depends_on_its_generator_alone() -> None:
    ranges = StripeRange(7, 58, 1, 4)
    first, again, other = (
        draw_stripes(np.random.default_rng((1, 2, n)), ranges) for n in (3, 3, 4)
    )
    assert first == again != other
    assert (len(first.time), len(first.bands)) == (7, 1)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(RecipeError, match="1 stripe plans for a batch of 2"):
        apply_stripes(ones(2, 3, 4), [StripePlan((), ())], StripeRange())
    with pytest.raises(RecipeError, match=r"\[3, 4\]"):
        without_stripes(ones(3, 4), [Stripes()] * 3)
