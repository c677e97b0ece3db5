from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.errors import DataError, RecipeError
from soundseek.lab.objectives.triplets import (
    Impostors,
    TripletHardest,
    TripletRandom,
    TripletRanking,
    TripletSum,
    TripletWeighted,
    draw_impostors,
    hardest_triplet,
    impostor_triplet,
    mean_triplet,
    summed_triplet,
    weighted_triplet,
)
from support.pair_batches import pair_batch, vectors

pytestmark = pytest.mark.lab

Loss = Callable[[Tensor, Tensor, float], Tensor]
OVER_SCORES: list[Loss] = [mean_triplet, summed_triplet, hardest_triplet, weighted_triplet]
TERMS: list[type[nn.Module]] = [
    TripletRandom,
    TripletRanking,
    TripletSum,
    TripletHardest,
    TripletWeighted,
]
GROUPS = st.lists(st.integers(0, 4), min_size=2, max_size=7).filter(lambda g: len(set(g)) > 1)


def hinge(x: float) -> float:
    return max(0.0, x)


def naive(loss: Loss, scores: list[list[float]], groups: list[int], margin: float) -> float:
    """The formulae of the module's docstring, read aloud."""
    n, total = len(groups), 0.0
    for i in range(n):
        own = scores[i][i]
        rivals = [j for j in range(n) if groups[j] != groups[i]]
        for impostors in ([scores[i][j] for j in rivals], [scores[j][i] for j in rivals]):
            hinges = [hinge(margin + s - own) for s in impostors]
            if loss is mean_triplet:
                total += sum(hinges) / len(hinges)
            elif loss is summed_triplet:
                total += sum(hinges)
            elif loss is hardest_triplet:
                total += max(hinges)
            elif max(impostors) + margin > own:
                top = max(impostors)
                total += hinge(0.2 * own**2 - 0.7 * own + 0.5)
                total += hinge(0.9 * top**2 - 0.4 * top + 0.03)
    return total / n


def cosines(seed: int, n: int) -> Tensor:
    audio, text = (F.normalize(side, dim=-1) for side in vectors(seed, n))
    return audio @ text.T


@pytest.mark.parametrize("loss", OVER_SCORES)
@settings(max_examples=40, deadline=None)
@given(groups=GROUPS, seed=st.integers(0, 99), margin=st.sampled_from([0.0, 0.2, 1.0]))
def test_equals_loops(loss: Loss, groups: list[int], seed: int, margin: float) -> None:
    scores = cosines(seed, len(groups))
    got = loss(scores, torch.tensor(groups), margin)
    assert got.item() == pytest.approx(naive(loss, scores.tolist(), groups, margin))


@pytest.mark.parametrize("loss", OVER_SCORES)
@settings(max_examples=20, deadline=None)
@given(groups=GROUPS, seed=st.integers(0, 99))
def test_order_and_names_of_groups_do_not_count(loss: Loss, groups: list[int], seed: int) -> None:
    scores = cosines(seed, len(groups))
    order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(seed))
    renamed = torch.tensor([(7 * group + 3) % 5 - 9 for group in groups])
    torch.testing.assert_close(
        loss(scores[order][:, order], renamed[order], 0.5),
        loss(scores, torch.tensor(groups), 0.5),
    )


@pytest.mark.parametrize("loss", OVER_SCORES)
def test_other_captions_of_a_clip_are_no_negatives(loss: Loss) -> None:
    scores = cosines(3, 4)
    groups = torch.tensor([5, 5, 6, 7])
    alike = scores.clone()
    alike[0, 1] = alike[1, 0] = 0.999
    assert loss(alike, groups, 0.5) == loss(scores, groups, 0.5)
    assert loss(alike, torch.arange(4), 0.5) > loss(scores, torch.arange(4), 0.5)


@pytest.mark.parametrize("loss", OVER_SCORES)
def test_gradient_is_that_of_finite_differences(loss: Loss) -> None:
    scores = cosines(4, 5).requires_grad_()
    groups = torch.tensor([0, 1, 0, 2, 3])
    assert torch.autograd.gradcheck(lambda s: loss(s, groups, 0.3), (scores,))


def test_with_one_impostor_the_first_four_agree() -> None:
    audio, text = vectors(5, 2)
    groups = torch.arange(2)
    impostors = draw_impostors(groups, torch.Generator().manual_seed(0))
    assert [side.tolist() for side in impostors] == [[1, 0], [1, 0]]
    expected = impostor_triplet(audio, text, impostors, 1.0)
    for loss in (mean_triplet, summed_triplet, hardest_triplet):
        torch.testing.assert_close(loss(audio @ text.T, groups, 1.0), expected)


def test_mean_triplet_is_what_the_draws_come_to() -> None:
    audio, text = (side.float() for side in vectors(6, 6))
    groups = torch.tensor([0, 0, 1, 2, 2, 3])
    generator = torch.Generator().manual_seed(1)
    drawn = [
        impostor_triplet(audio, text, draw_impostors(groups, generator), 1.0).item()
        for _ in range(3000)
    ]
    expected = mean_triplet(audio @ text.T, groups, 1.0).item()
    assert sum(drawn) / len(drawn) == pytest.approx(expected, rel=0.02)


@settings(max_examples=100, deadline=None)
@given(GROUPS, st.integers(0, 999))
def test_impostors_are_of_other_groups(groups: list[int], seed: int) -> None:
    ids = torch.tensor(groups)
    impostors = draw_impostors(ids, torch.Generator().manual_seed(seed))
    for side in impostors:
        assert (ids[side] != ids).all()
    rivals = torch.tensor([sum(g != own for g in groups) for own in groups])
    assert ((impostors.audio != impostors.text) | (rivals == 1)).all()


def test_every_impostor_is_equally_likely() -> None:
    groups = torch.tensor([0, 0, 1, 2, 3])
    generator = torch.Generator().manual_seed(2)
    draws = [draw_impostors(groups, generator) for _ in range(3000)]
    for side in (0, 1):
        counts = torch.stack([draw[side][0] for draw in draws]).bincount(minlength=5)
        assert counts[:2].tolist() == [0, 0]
        assert (counts[2:] > 900).all()


def test_the_draw_is_the_generators() -> None:
    groups = torch.arange(16)
    first, again, other = (
        draw_impostors(groups, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.stack(first), torch.stack(again))
    assert not torch.equal(torch.stack(first), torch.stack(other))


def test_impostor_triplet_by_hand() -> None:
    audio = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    text = torch.tensor([[0.5, 0.5], [0.0, 1.0]])
    swapped = Impostors(torch.tensor([1, 0]), torch.tensor([1, 0]))
    # Pair 0: own 0.5, its text with sound 1: 1.0, its sound with text 1: 0. Pair 1: 2.0, 0, 1.0.
    assert impostor_triplet(audio, text, swapped, 1.0).item() == pytest.approx((1.5 + 0.5) / 2)


@pytest.mark.parametrize("kind", TERMS)
@pytest.mark.parametrize("groups", [[4, 4, 4], [9]])
def test_one_distinct_clip_is_refused(kind: type[nn.Module], groups: list[int]) -> None:
    with pytest.raises(DataError, match=r"one distinct clip has no impostors.*groups \[\d\]"):
        kind()(pair_batch(groups))


@pytest.mark.parametrize("kind", TERMS)
def test_terms_give_scalars_that_teach(kind: type[nn.Module]) -> None:
    audio = pair_batch([0, 0, 1, 2]).audio.requires_grad_()
    value = kind(margin=0.7)(pair_batch([0, 0, 1, 2], audio=audio))
    value.backward()
    assert value.shape == ()
    assert audio.grad is not None
    assert audio.grad.isfinite().all()
    assert audio.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", TERMS)
@pytest.mark.parametrize("margin", [-0.1, float("nan"), "wide", True])
def test_margin_is_checked(kind: type[nn.Module], margin: object) -> None:
    with pytest.raises(RecipeError, match=r"margin of triplet_\w+ is .*\n.*at least 0"):
        kind(margin=margin)


def test_terms_use_their_margin() -> None:
    batch = pair_batch([0, 1, 2, 2])
    scores = batch.audio @ batch.text.T
    for kind, loss in zip(TERMS[1:], OVER_SCORES, strict=True):
        torch.testing.assert_close(kind(margin=0.4)(batch), loss(scores, batch.groups, 0.4))
    impostors = draw_impostors(batch.groups, torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        TripletRandom(margin=0.4)(batch), impostor_triplet(batch.audio, batch.text, impostors, 0.4)
    )
