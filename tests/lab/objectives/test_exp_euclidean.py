from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError, RecipeError
from soundseek.lab.objectives.exp_euclidean import ExpEuclideanBce, exp_euclidean_bce
from support.pair_batches import pair_batch, vectors

pytestmark = pytest.mark.lab

GROUPS = st.lists(st.integers(0, 4), min_size=2, max_size=7).filter(lambda g: len(set(g)) > 1)


def naive(
    audio: list[list[float]], text: list[list[float]], groups: list[int], balance: float | None
) -> float:
    losses: dict[bool, list[float]] = {True: [], False: []}
    for a, own in zip(audio, groups, strict=True):
        for t, other in zip(text, groups, strict=True):
            p = math.exp(-math.dist(a, t))
            losses[own == other].append(-math.log(p if own == other else 1.0 - p))
    if balance is None:
        return sum(losses[True] + losses[False]) / len(groups) ** 2
    positive, negative = (sum(losses[kind]) / len(losses[kind]) for kind in (True, False))
    return balance * positive + (1.0 - balance) * negative


@settings(max_examples=60, deadline=None)
@given(
    GROUPS,
    st.integers(0, 99),
    st.sampled_from([0.02, 0.3, 3.0]),
    st.sampled_from([None, 0.0, 0.5, 0.9]),
)
def test_equals_loops(groups: list[int], seed: int, size: float, balance: float | None) -> None:
    audio, text = (size * side for side in vectors(seed, len(groups)))
    got = exp_euclidean_bce(audio, text, torch.tensor(groups), balance)
    assert got.item() == pytest.approx(naive(audio.tolist(), text.tolist(), groups, balance))


@pytest.mark.parametrize("balance", [None, 0.4])
def test_gradient_is_that_of_finite_differences(balance: float | None) -> None:
    audio, text = (0.3 * side for side in vectors(1, 4))
    groups = torch.tensor([0, 1, 0, 2])
    assert torch.autograd.gradcheck(
        lambda a, t: exp_euclidean_bce(a, t, groups, balance),
        (audio.requires_grad_(), text.requires_grad_()),
    )


@pytest.mark.parametrize("distance", [0.0, 1e-7, 1e-3, 0.6931, 0.6932, 30.0, 2000.0])
def test_finite_from_no_distance_to_far_too_much(distance: float) -> None:
    audio = torch.zeros(2, 3, requires_grad=True)
    text = torch.tensor([distance, 0.0, 0.0]).expand(2, 3)
    value = exp_euclidean_bce(audio, text, torch.arange(2))
    value.backward()
    assert audio.grad is not None
    assert audio.grad.isfinite().all()
    least = max(distance, 1e-6)
    negative = -math.log(-math.expm1(-least)) if least < 1 else -math.log1p(-math.exp(-least))
    assert value.item() == pytest.approx((distance + negative) / 2, rel=1e-5)


def test_a_distant_positive_costs_its_distance() -> None:
    """exp(−200) is 0 in single precision: log p must not go through p."""
    audio, text = torch.zeros(2, 1), torch.tensor([[200.0], [-200.0]])
    assert exp_euclidean_bce(audio, text, torch.arange(2), 1.0).item() == pytest.approx(200.0)


def test_small_distances_survive_large_norms() -> None:
    """|a|² + |t|² − 2 a·t would lose the distance of vectors this long to rounding."""
    audio = torch.full((2, 64), 100.0)
    text = audio + 0.001
    assert exp_euclidean_bce(audio, text, torch.arange(2), 1.0).item() == pytest.approx(
        float((text - audio).double().norm(dim=1)[0]), rel=1e-3
    )


def test_order_and_names_of_groups_do_not_count() -> None:
    audio, text = vectors(2, 5)
    groups, order = torch.tensor([0, 1, 0, 2, 1]), torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(
        exp_euclidean_bce(audio[order], text[order], 10 - 3 * groups[order]),
        exp_euclidean_bce(audio, text, groups),
    )


def test_term() -> None:
    batch = pair_batch([0, 0, 1, 2])
    for balance in (None, 0.25):
        expected = exp_euclidean_bce(batch.audio, batch.text, batch.groups, balance)
        torch.testing.assert_close(ExpEuclideanBce(balance=balance)(batch), expected)
    with pytest.raises(DataError, match="one distinct clip"):
        ExpEuclideanBce()(pair_batch([1, 1]))
    with pytest.raises(RecipeError, match=r"balance of exp_euclidean_bce is 1.5\n.*at most 1"):
        ExpEuclideanBce(balance=1.5)
