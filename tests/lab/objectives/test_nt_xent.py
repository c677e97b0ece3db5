from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch
from torch import Tensor
from torch.nn import functional as F

from soundseek.errors import RecipeError
from soundseek.lab.objectives.contrastive import nt_xent
from soundseek.lab.objectives.nt_xent import NtXent, grouped_nt_xent
from support.pair_batches import pair_batch, vectors

pytestmark = pytest.mark.lab

KINDS = ("masked", "positives", "negatives")
GROUPS = st.lists(st.integers(0, 4), min_size=1, max_size=7)


def cosines(seed: int, n: int) -> Tensor:
    audio, text = (F.normalize(side, dim=-1) for side in vectors(seed, n))
    return audio @ text.T


def naive(scores: list[list[float]], groups: list[int], scale: float, duplicates: str) -> float:
    n, value = len(groups), 0.0
    for direction in (scores, [list(column) for column in zip(*scores, strict=True)]):
        losses = []
        for i in range(n):
            mates = [j for j in range(n) if groups[j] == groups[i] and j != i]
            kept = [j for j in range(n) if duplicates != "masked" or j not in mates]
            log_sum = math.log(sum(math.exp(scale * direction[i][j]) for j in kept))
            wanted = [i, *mates] if duplicates == "positives" else [i]
            losses += [log_sum - scale * direction[i][j] for j in wanted]
        value += 0.5 * sum(losses) / len(losses)
    return value


@pytest.mark.parametrize("duplicates", KINDS)
@settings(max_examples=40, deadline=None)
@given(groups=GROUPS, seed=st.integers(0, 99), scale=st.sampled_from([1.0, 1 / 0.07]))
def test_equals_loops(duplicates: Any, groups: list[int], seed: int, scale: float) -> None:
    scores = cosines(seed, len(groups))
    ids = torch.tensor(groups)
    got = grouped_nt_xent(scores, ids, scale, duplicates=duplicates)
    expected = naive(scores.tolist(), groups, scale, duplicates)
    assert got.item() == pytest.approx(expected, abs=1e-12)
    both = grouped_nt_xent(scores, ids, scale, duplicates=duplicates, reduction="sum_directions")
    torch.testing.assert_close(both, 2 * got)


@pytest.mark.parametrize("duplicates", KINDS)
@settings(max_examples=20, deadline=None)
@given(groups=GROUPS, seed=st.integers(0, 99))
def test_order_and_names_of_groups_do_not_count(
    duplicates: Any, groups: list[int], seed: int
) -> None:
    scores = cosines(seed, len(groups))
    order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(seed))
    renamed = torch.tensor([(7 * group + 3) % 5 - 9 for group in groups])
    torch.testing.assert_close(
        grouped_nt_xent(scores[order][:, order], renamed[order], 9.0, duplicates=duplicates),
        grouped_nt_xent(scores, torch.tensor(groups), 9.0, duplicates=duplicates),
    )


def test_masked_duplicates_leave_the_softmax() -> None:
    """The trap: masked after the softmax, a duplicate's score still counts in every denominator."""
    scores = cosines(2, 4).requires_grad_()
    groups = torch.tensor([0, 0, 1, 2])
    value = grouped_nt_xent(scores, groups, 10.0)
    value.backward()
    assert scores.grad is not None
    assert scores.grad[0, 1] == scores.grad[1, 0] == 0
    assert (scores.grad[2] != 0).all()
    alike = scores.detach().clone()
    alike[0, 1] = alike[1, 0] = 1.0
    assert grouped_nt_xent(alike, groups, 10.0) == value
    plain = grouped_nt_xent(alike, groups, 10.0, duplicates="negatives")
    assert plain > value + 0.1


def test_agrees_with_explicit_masks_where_groups_are_alike() -> None:
    audio, text = (F.normalize(side, dim=-1) for side in vectors(7, 6))
    groups = torch.tensor([0, 1, 0, 2, 1, 2])
    same = groups[:, None] == groups
    for duplicates, expected in (
        ("masked", nt_xent(audio, text, 12.0, None, same)),
        ("positives", nt_xent(audio, text, 12.0, same)),
        ("negatives", nt_xent(audio, text, 12.0)),
    ):
        got = grouped_nt_xent(audio @ text.T, groups, 12.0, duplicates=duplicates)
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("duplicates", KINDS)
def test_gradient_is_that_of_finite_differences(duplicates: Any) -> None:
    scores = cosines(4, 5).requires_grad_()
    scale = torch.tensor(7.0, dtype=torch.float64, requires_grad=True)
    groups = torch.tensor([0, 1, 0, 2, 0])
    assert torch.autograd.gradcheck(
        lambda s, z: grouped_nt_xent(s, groups, z, duplicates=duplicates), (scores, scale)
    )


@pytest.mark.parametrize("duplicates", KINDS)
def test_gradient_is_finite_where_all_embeddings_are_one(duplicates: Any) -> None:
    one = F.normalize(torch.ones(4, 6), dim=-1).requires_grad_()
    NtXent(duplicates=duplicates)(pair_batch([0, 0, 1, 2], audio=one, text=one)).backward()
    assert one.grad is not None
    assert one.grad.isfinite().all()


def test_term_passes_its_options_on() -> None:
    batch = pair_batch([0, 0, 1, 2])
    scores = batch.audio @ batch.text.T
    torch.testing.assert_close(NtXent()(batch), grouped_nt_xent(scores, batch.groups, 1 / 0.07))
    term = NtXent(temperature=0.2, duplicates="positives", reduction="sum_directions")
    assert not list(term.parameters())
    expected = grouped_nt_xent(
        scores, batch.groups, 5.0, duplicates="positives", reduction="sum_directions"
    )
    torch.testing.assert_close(term(batch), expected)


def test_learnt_temperature_starts_where_the_fixed_one_is() -> None:
    batch = pair_batch([0, 1, 2, 2])
    term = NtXent(learnt=True)
    value = term(batch)
    torch.testing.assert_close(value, NtXent()(batch))
    value.backward()
    (parameter,) = term.parameters()
    assert parameter.grad is not None
    assert parameter.grad != 0
    assert list(term.state_dict()) == ["log_scale"]


def test_learnt_temperature_stops_at_a_hundred_and_comes_back() -> None:
    term = NtXent(learnt=True)
    (log_scale,) = term.parameters()
    with torch.no_grad():
        log_scale.fill_(9.0)
    batch = pair_batch([0, 1, 2, 3])
    scores = batch.audio @ batch.text.T
    value = term(batch)
    torch.testing.assert_close(value, grouped_nt_xent(scores, batch.groups, 100.0))
    value.backward()
    # Random embeddings are wrong pairs: a softer softmax is better, and the gradient says so.
    assert log_scale.grad is not None
    assert log_scale.grad > 0


def test_two_forwards_before_one_backward() -> None:
    """Gradient accumulation: the clamp must not disturb an earlier graph."""
    term = NtXent(learnt=True, temperature=0.01)
    (term(pair_batch([0, 1, 2])) + term(pair_batch([0, 1, 2], seed=1))).backward()


def test_half_precision_inside_autocast_does_not_reach_the_softmax() -> None:
    batch = pair_batch([0, 1, 2, 3])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = NtXent()(batch)
    torch.testing.assert_close(value, NtXent()(batch), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature of nt_xent is 0.0"),
        ({"temperature": 0.005, "learnt": True}, "at least 0.01"),
        ({"learnt": "yes"}, "learnt of nt_xent is 'yes'"),
        ({"duplicates": "mask"}, "did you mean 'masked'"),
        ({"reduction": "sum"}, "choices: mean, sum_directions"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        NtXent(**options)
