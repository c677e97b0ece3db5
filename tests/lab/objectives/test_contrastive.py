from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch
from torch.nn import functional as F

from soundseek.lab.objectives.contrastive import nt_xent, shared_groups, soft_nt_xent

pytestmark = pytest.mark.lab

Matrix = list[list[bool]]


def embeddings(seed: int, n: int, width: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    pair = torch.randn(2, n, width, generator=generator, dtype=torch.float64)
    return tuple(F.normalize(pair, dim=-1))


def naive_rows(logits: np.ndarray, positives: Matrix, ignored: Matrix) -> float:
    total = 0.0
    for r, row in enumerate(logits):
        kept = [c for c in range(len(row)) if positives[r][c] or not ignored[r][c]]
        log_sum = math.log(sum(math.exp(row[c]) for c in kept))
        losses = [log_sum - row[c] for c in range(len(row)) if positives[r][c]]
        total += sum(losses) / len(losses)
    return total / len(logits)


def naive_nt_xent(
    audio: torch.Tensor, text: torch.Tensor, scale: float, positives: Matrix, ignored: Matrix
) -> float:
    logits = np.array([[scale * float(a @ t) for t in text] for a in audio])
    turned = [list(column) for column in zip(*positives, strict=True)]
    out = [list(column) for column in zip(*ignored, strict=True)]
    return 0.5 * (naive_rows(logits, positives, ignored) + naive_rows(logits.T, turned, out))


def matrices(n: int) -> st.SearchStrategy[Matrix]:
    return st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=n, max_size=n)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 6), st.integers(0, 99), st.sampled_from([1.0, 1 / 0.07]))
def test_equals_loops(data: st.DataObject, n: int, seed: int, scale: float) -> None:
    positives, ignored = data.draw(matrices(n)), data.draw(matrices(n))
    for i in range(n):
        positives[i][i] = True
    audio, text = embeddings(seed, n)
    got = nt_xent(audio, text, scale, torch.tensor(positives), torch.tensor(ignored))
    assert got.item() == pytest.approx(naive_nt_xent(audio, text, scale, positives, ignored))


def test_is_info_nce_when_the_diagonal_is_right() -> None:
    audio, text = embeddings(1, 5)
    logits = 10.0 * audio @ text.T
    target = torch.arange(5)
    clip = 0.5 * (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target))
    torch.testing.assert_close(nt_xent(audio, text, 10.0), clip)


def test_ignored_pairs_leave_the_softmax() -> None:
    """The trap: a mask after the softmax does nothing. Here the pair may be anything at all."""
    audio, text = embeddings(2, 4)
    ignored = torch.zeros(4, 4, dtype=torch.bool)
    ignored[0, 1] = ignored[1, 0] = True
    alike = text.clone()
    alike[1] = audio[0]
    masked = nt_xent(audio, alike, 10.0, None, ignored)
    assert masked < nt_xent(audio, alike, 10.0) - 0.1
    expected = naive_nt_xent(
        audio, alike, 10.0, torch.eye(4, dtype=torch.bool).tolist(), ignored.tolist()
    )
    assert masked.item() == pytest.approx(expected)


def test_a_positive_cannot_be_ignored() -> None:
    audio, text = embeddings(3, 3)
    everything = torch.ones(3, 3, dtype=torch.bool)
    assert nt_xent(audio, text, 5.0, None, everything).item() == pytest.approx(0.0)


def test_gradient_is_that_of_finite_differences() -> None:
    audio, text = (one.clone().requires_grad_() for one in embeddings(4, 4))
    scale = torch.tensor(7.0, dtype=torch.float64, requires_grad=True)
    positives = torch.eye(4, dtype=torch.bool)
    positives[0, 2] = positives[2, 0] = True
    ignored = torch.zeros(4, 4, dtype=torch.bool)
    ignored[1, 3] = ignored[3, 1] = True
    assert torch.autograd.gradcheck(
        lambda a, t, s: nt_xent(a, t, s, positives, ignored), (audio, text, scale)
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.integers(0, 99))
def test_soft_targets_equal_loops(n: int, seed: int) -> None:
    audio, text = embeddings(seed, n)
    targets = torch.rand(n, n, generator=torch.Generator().manual_seed(seed)).double() + 0.01
    logits = (4.0 * audio @ text.T).tolist()

    def rows(logits: list[list[float]], targets: list[list[float]]) -> float:
        total = 0.0
        for row, wanted in zip(logits, targets, strict=True):
            log_sum = math.log(sum(map(math.exp, row)))
            share = sum(wanted)
            total += sum(w / share * (log_sum - x) for w, x in zip(wanted, row, strict=True))
        return total / len(logits)

    turned = [list(c) for c in zip(*logits, strict=True)]
    expected = 0.5 * (rows(logits, targets.tolist()) + rows(turned, targets.T.tolist()))
    assert soft_nt_xent(audio, text, 4.0, targets).item() == pytest.approx(expected)


def test_hard_soft_targets_are_nt_xent() -> None:
    audio, text = embeddings(5, 6)
    hard = 3.0 * torch.eye(6, dtype=torch.float64)
    torch.testing.assert_close(soft_nt_xent(audio, text, 9.0, hard), nt_xent(audio, text, 9.0))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sets(st.integers(0, 5), min_size=1, max_size=2), min_size=1, max_size=8))
def test_shared_groups_equal_sets(sets: list[set[int]]) -> None:
    rows = [sorted(ids) if len(ids) == 2 else [-1, *ids] for ids in sets]
    positives, ignored = shared_groups(torch.tensor(rows))
    for i, first in enumerate(sets):
        for j, second in enumerate(sets):
            assert positives[i, j].item() == (first == second)
            assert ignored[i, j].item() == (bool(first & second) and first != second)


def test_no_group_is_shared_by_having_none() -> None:
    positives, ignored = shared_groups(torch.tensor([[-1, 0], [-1, 1]]))
    assert positives.equal(torch.eye(2, dtype=torch.bool))
    assert not ignored.any()
