from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch
from torch import Tensor
from torch.nn import functional as F

from soundseek.errors import DataError, RecipeError
from soundseek.lab.objectives.contrastive import soft_nt_xent
from soundseek.lab.objectives.correspondences import (
    EstimatedCorrespondences,
    estimated_correspondences,
)
from soundseek.lab.objectives.nt_xent import grouped_nt_xent
from support.pair_batches import pair_batch, vectors

pytestmark = pytest.mark.lab


def cosines(seed: int, n: int) -> Tensor:
    audio, text = (F.normalize(side, dim=-1) for side in vectors(seed, n))
    return audio @ text.T


def softmax(row: list[float]) -> list[float]:
    weights = [math.exp(x) for x in row]
    return [weight / sum(weights) for weight in weights]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(0, 99), st.sampled_from([0.05, 1.0]))
def test_equals_loops(n: int, seed: int, temperature: float) -> None:
    student, teacher = cosines(seed, n), cosines(seed + 1, n)
    value = 0.0
    for side in (False, True):
        logits, wanted = ((m.T if side else m).tolist() for m in (student, teacher))
        for row, target in zip(logits, wanted, strict=True):
            given_by = softmax([x / temperature for x in target])
            found = softmax([x / temperature for x in row])
            value -= sum(p * math.log(q) for p, q in zip(given_by, found, strict=True)) / (2 * n)
    got = estimated_correspondences(student, teacher, temperature)
    assert got.item() == pytest.approx(value, abs=1e-12)


def test_least_where_the_student_agrees() -> None:
    teacher = cosines(1, 5)
    student = teacher.clone().requires_grad_()
    estimated_correspondences(student, teacher, 0.1).backward()
    assert student.grad is not None
    torch.testing.assert_close(student.grad, torch.zeros_like(student), rtol=0, atol=1e-12)
    at_best = estimated_correspondences(teacher, teacher, 0.1)
    assert estimated_correspondences(cosines(2, 5), teacher, 0.1) > at_best


def test_relations() -> None:
    audio, text = (F.normalize(side, dim=-1) for side in vectors(3, 5))
    teacher = cosines(4, 5)
    torch.testing.assert_close(
        estimated_correspondences(audio @ text.T, teacher, 0.1, 0.2),
        soft_nt_xent(audio, text, 10.0, (teacher / 0.2).exp()),
    )
    certain = 50.0 * torch.eye(5, dtype=torch.float64)
    torch.testing.assert_close(
        estimated_correspondences(audio @ text.T, certain, 0.05),
        grouped_nt_xent(audio @ text.T, torch.zeros(5), 20.0, duplicates="negatives"),
    )


def test_gradient_is_that_of_finite_differences() -> None:
    student, teacher = cosines(5, 4).requires_grad_(), cosines(6, 4)
    assert torch.autograd.gradcheck(
        lambda s: estimated_correspondences(s, teacher, 0.3), (student,)
    )


def test_term() -> None:
    groups = [0, 0, 1, 2]
    teacher = cosines(7, 4).float()
    batch = pair_batch(groups, correspondences=teacher)
    scores = batch.audio @ batch.text.T
    for options in ({}, {"temperature": 0.2}, {"temperature": 0.2, "teacher_temperature": 0.1}):
        expected = estimated_correspondences(scores, teacher, *(options or {"_": 0.05}).values())
        torch.testing.assert_close(EstimatedCorrespondences(**options)(batch), expected)


def test_missing_or_misshapen_teachers() -> None:
    term = EstimatedCorrespondences()
    with pytest.raises(DataError, match="no teachers to learn from"):
        term(pair_batch([0, 1]))
    with pytest.raises(DataError, match=r"shape \[3, 2\] for a batch of 2 pairs"):
        term(pair_batch([0, 1], correspondences=torch.zeros(3, 2)))
    with pytest.raises(RecipeError, match="teacher_temperature of estimated_correspondences"):
        EstimatedCorrespondences(teacher_temperature=0)
