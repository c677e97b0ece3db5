from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch

from soundseek.errors import RecipeError
from soundseek.lab.augment.mixstyle import (
    MixStylePlan,
    apply_mixstyle,
    band_statistics,
    draw_mixstyle,
)

pytestmark = pytest.mark.lab


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    scale = torch.rand(shape[0], *[1] * (len(shape) - 2), shape[-1], generator=generator) + 0.5
    return torch.randn(shape, generator=generator) * scale + 3 * scale


def naive(x: np.ndarray, plan: MixStylePlan, lengths: list[int]) -> np.ndarray:
    """Item by item and band by band, in float64."""
    statistics = [
        (x[i, :n].mean(0), np.sqrt(x[i, :n].var(0, ddof=1) + 1e-6)) for i, n in enumerate(lengths)
    ]
    result = x.copy()
    for i, n in enumerate(lengths):
        (mean, spread), (mean_2, spread_2) = statistics[i], statistics[plan.partners[i]]
        w = plan.weights[i]
        normal = (x[i, :n] - mean) / spread
        result[i, :n] = normal * (w * spread + (1 - w) * spread_2) + w * mean + (1 - w) * mean_2
    return result


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(2, 20), min_size=1, max_size=5), st.integers(0, 1000))
def test_equals_a_naive_loop_over_valid_frames(lengths: list[int], seed: int) -> None:
    x = noise(len(lengths), max(lengths), 6, seed=seed).double()
    plan = draw_mixstyle(np.random.default_rng(seed), len(lengths), probability=0.8, alpha=0.5)
    got = apply_mixstyle(x, plan, lengths=torch.tensor(lengths))
    np.testing.assert_allclose(got.numpy(), naive(x.numpy(), plan, lengths), rtol=0, atol=1e-9)
    full = apply_mixstyle(x, plan).numpy()
    np.testing.assert_allclose(full, naive(x.numpy(), plan, [x.shape[1]] * len(x)), atol=1e-9)


def test_padding_neither_counts_nor_changes() -> None:
    x = noise(3, 40, 5)
    loud = x.clone()
    lengths = torch.tensor([40, 12, 25])
    for row, n in zip(loud, lengths.tolist(), strict=True):
        row[n:] = 99.0
    plan = MixStylePlan((1, 2, 0), (0.6, 0.7, 0.8))
    got, other = (apply_mixstyle(features, plan, lengths=lengths) for features in (x, loud))
    for i, n in enumerate(lengths.tolist()):
        assert torch.equal(got[i, :n], other[i, :n])
        assert torch.equal(got[i, n:], x[i, n:])


def test_weight_one_is_the_item_itself_and_weight_zero_takes_the_other_s_statistics() -> None:
    x = noise(2, 50, 4)
    got = apply_mixstyle(x, MixStylePlan((1, 0), (1.0, 0.0)))
    assert torch.equal(got[0], x[0])
    mean, spread = band_statistics(x)
    new_mean, new_spread = band_statistics(got)
    torch.testing.assert_close(new_mean[1], mean[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(new_spread[1], spread[0], rtol=1e-4, atol=1e-5)


def test_a_channel_axis_changes_nothing_and_the_input_stays() -> None:
    x, plan = noise(3, 20, 4), MixStylePlan((2, 0, 1), (0.9, 0.2, 0.5))
    before = x.clone()
    plain, lengths = apply_mixstyle(x, plan), torch.tensor([20, 7, 9])
    assert torch.equal(apply_mixstyle(x[:, None], plan)[:, 0], plain)
    with_lengths = apply_mixstyle(x, plan, lengths=lengths)
    assert torch.equal(apply_mixstyle(x[:, None], plan, lengths=lengths)[:, 0], with_lengths)
    assert torch.equal(x, before)


def test_statistics_pass_no_gradient() -> None:
    """Upstream detaches them: the gradient is that of a fixed scale."""
    x = noise(2, 30, 3).requires_grad_()
    plan = MixStylePlan((1, 0), (0.7, 0.7))
    apply_mixstyle(x, plan).sum().backward()
    _, spread = band_statistics(x)
    expected = ((0.7 * spread + 0.3 * spread.flip(0)) / spread).expand_as(x)
    torch.testing.assert_close(x.grad, expected)


def test_half_precision_keeps_its_type_and_short_or_silent_items_stay_finite() -> None:
    plan = MixStylePlan((1, 0), (0.5, 0.5))
    x = noise(2, 30, 3)
    got = apply_mixstyle(x.to(torch.bfloat16), plan)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got.float(), apply_mixstyle(x, plan), rtol=0.02, atol=0.05)
    x[1] = 0.0
    assert bool(apply_mixstyle(x, plan).isfinite().all())
    for frames in (1, 0):
        lengths = torch.tensor([30, frames])
        assert bool(apply_mixstyle(x, plan, lengths=lengths).isfinite().all())


def test_partners_are_a_permutation_and_own_statistics_weigh_more() -> None:
    rng = np.random.default_rng(0)
    plans = [draw_mixstyle(rng, 8, probability=1.0, alpha=0.8286) for _ in range(300)]
    assert all(sorted(plan.partners) == list(range(8)) for plan in plans)
    weights = np.concatenate([plan.weights for plan in plans])
    assert weights.min() >= 0.5
    assert weights.min() < 0.51
    drawn = [
        draw_mixstyle(rng, 8, probability=1.0, alpha=0.8286, own_weighs_more=False)
        for _ in range(300)
    ]
    values = np.concatenate([plan.weights for plan in drawn])
    # A symmetric Beta: mean 1/2, variance 1 / (4 (2 alpha + 1)).
    assert values.mean() == pytest.approx(0.5, abs=0.02)
    assert values.var() == pytest.approx(1 / (4 * (2 * 0.8286 + 1)), abs=0.008)


def test_probability_is_per_item_or_per_batch() -> None:
    rng = np.random.default_rng(0)
    shares = {
        per: [
            np.mean(
                np.array(draw_mixstyle(rng, 16, probability=0.3, alpha=0.4, per=per).weights) < 1
            )
            for _ in range(500)
        ]
        for per in ("item", "batch")
    }
    for values in shares.values():
        assert np.mean(values) == pytest.approx(0.3, abs=0.06)
    # Below 0.5 only where every item of the batch is left out.
    assert {round(value) for value in shares["batch"]} == {0, 1}
    assert min(value for value in shares["batch"] if value > 0) > 0.9
    assert 0.05 < np.std(shares["item"]) < 0.2


def test_a_plan_depends_on_its_generator_alone() -> None:
    first, again, other = (
        draw_mixstyle(np.random.default_rng(seed), 4, probability=0.5, alpha=0.3)
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"mixstyle_alpha is 0\.0.*\n.*p_mixstyle=0"):
        draw_mixstyle(np.random.default_rng(0), 4, probability=0.5, alpha=0.0)
    with pytest.raises(RecipeError, match="1 items for a batch of 2"):
        apply_mixstyle(noise(2, 3, 4), MixStylePlan((0,), (1.0,)))
