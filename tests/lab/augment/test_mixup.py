from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch

from soundseek.errors import RecipeError
from soundseek.lab.augment.mixup import (
    PairMixPlan,
    draw_neighbours,
    draw_pairs,
    mix_features,
    mix_lengths,
    mix_rows,
    mix_words,
)

pytestmark = pytest.mark.lab


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(st.integers(0, 4), max_size=12),
    st.floats(0, 1),
    st.booleans(),
)
def test_pairs_are_of_two_groups(seed: int, groups: list[int], share: float, grouped: bool) -> None:
    n = len(groups)
    plan = draw_pairs(
        np.random.default_rng(seed), n, share=share, alpha=0.4, groups=groups if grouped else None
    )
    wanted = round(share * n)
    possible = len(set(groups)) > 1 if grouped else n > 1
    assert len(plan) == (wanted if possible else 0)
    assert len(set(plan.first)) == len(plan)
    marks = groups if grouped else list(range(n))
    assert all(marks[a] != marks[b] for a, b in zip(plan.first, plan.second, strict=True))
    assert all(0.0 <= weight <= 1.0 for weight in plan.weights)


def test_weights_are_beta_and_partners_uniform() -> None:
    rng = np.random.default_rng(0)
    plans = [draw_pairs(rng, 5, share=1.0, alpha=0.4) for _ in range(2000)]
    weights = np.concatenate([plan.weights for plan in plans])
    assert weights.mean() == pytest.approx(0.5, abs=0.01)
    assert weights.var() == pytest.approx(1 / (4 * 1.8), abs=0.005)
    pairs = np.zeros((5, 5))
    for plan in plans:
        np.add.at(pairs, (list(plan.first), list(plan.second)), 1)
    np.testing.assert_allclose(pairs / 2000, (1 - np.eye(5)) / 4, atol=0.04)


def test_neighbours() -> None:
    plan = draw_neighbours(np.random.default_rng(0), 6)
    assert (plan.first, plan.second) == ((0, 2, 4), (1, 3, 5))
    with pytest.raises(RecipeError, match="batch of 5"):
        draw_neighbours(np.random.default_rng(0), 5)


def test_rows_are_weighted_sums() -> None:
    x, plan = noise(4, 3, 2), PairMixPlan((0, 3), (2, 1), (0.25, 1.0))
    got = mix_rows(x, plan)
    torch.testing.assert_close(got[0], 0.25 * x[0] + 0.75 * x[2])
    assert torch.equal(got[1], x[3])
    assert mix_rows(x, PairMixPlan()).shape == (0, 3, 2)
    assert mix_rows(x[:, 0, 0], plan).shape == (2,)


def test_frames_behind_the_end_count_as_silence() -> None:
    x, lengths = noise(3, 10, 4), torch.tensor([10, 6, 3])
    plan = PairMixPlan((1, 2), (2, 0), (0.3, 0.6))
    loud = x.clone()
    for row, n in zip(loud, lengths.tolist(), strict=True):
        row[n:] = 1e3
    got, other = (mix_features(features, plan, lengths, -5.0) for features in (x, loud))
    assert torch.equal(got, other)
    torch.testing.assert_close(got[0, :3], 0.3 * x[1, :3] + 0.7 * x[2, :3])
    torch.testing.assert_close(got[0, 3:6], 0.3 * x[1, 3:6] + 0.7 * -5.0)
    torch.testing.assert_close(got[0, 6:], torch.full((4, 4), -5.0))
    per_band = mix_features(x, plan, lengths, torch.tensor([1.0, 2.0, 3.0, 4.0]))
    torch.testing.assert_close(per_band[0, 9], torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert mix_lengths(lengths, plan).tolist() == [6, 10]


def test_words_mix_with_the_union_of_their_masks() -> None:
    words = noise(3, 5, 4)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]).bool()
    plan = PairMixPlan((0, 1), (1, 2), (0.7, 0.1))
    mixed, union = mix_words(words, mask, plan)
    assert union.int().tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    torch.testing.assert_close(mixed[0, :2], 0.7 * words[0, :2] + 0.3 * words[1, :2])
    torch.testing.assert_close(mixed[0, 2], 0.7 * words[0, 2])
    assert not mixed[0, 3:].any()
    words[~mask] = float("nan")
    torch.testing.assert_close(mix_words(words, mask, plan)[0], mixed)


def test_a_plan_depends_on_its_generator_alone() -> None:
    first, again, other = (
        draw_pairs(np.random.default_rng(seed), 8, share=0.5, alpha=0.4) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_impossible_plans_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(RecipeError, match="mixup_alpha is 0"):
        draw_pairs(rng, 4, share=0.5, alpha=0.0)
    with pytest.raises(RecipeError, match=r"mixup_share is 1\.5"):
        draw_pairs(rng, 4, share=1.5, alpha=1.0)
    with pytest.raises(RecipeError, match="mixup_alpha is -1"):
        draw_neighbours(rng, 4, -1)
    with pytest.raises(RecipeError, match="item 4 of a batch of 3"):
        mix_rows(noise(3, 2), PairMixPlan((0,), (4,), (0.5,)))
