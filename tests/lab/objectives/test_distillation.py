from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import torch

from soundseek.lab.objectives.distillation import cosine_distance, soft_label_divergence

pytestmark = pytest.mark.lab

_LOGITS = st.lists(
    st.lists(st.floats(-8, 8, width=32), min_size=3, max_size=3), min_size=2, max_size=2
)


def naive_divergence(student: float, teacher: float) -> float:
    q, p = (1 / (1 + math.exp(-x)) for x in (student, teacher))
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


@settings(max_examples=60, deadline=None)
@given(_LOGITS, _LOGITS)
def test_divergence_equals_its_formula(student: list[list[float]], teacher: list[list[float]]):
    got = soft_label_divergence(
        torch.tensor(student, dtype=torch.float64), torch.tensor(teacher, dtype=torch.float64)
    ).item()
    rows = [
        sum(naive_divergence(s, t) for s, t in zip(ours, theirs, strict=True))
        for ours, theirs in zip(student, teacher, strict=True)
    ]
    assert got == pytest.approx(sum(rows) / 2, abs=1e-9)
    assert got >= -1e-12


@settings(max_examples=30, deadline=None)
@given(_LOGITS)
def test_divergence_is_zero_where_both_agree(logits: list[list[float]]) -> None:
    same = torch.tensor(logits)
    assert soft_label_divergence(same, same.clone()).item() == pytest.approx(0.0, abs=1e-6)


def test_divergence_pulls_the_student_towards_the_teacher() -> None:
    student = torch.zeros(1, 2, requires_grad=True)
    soft_label_divergence(student, torch.tensor([[4.0, -4.0]])).backward()
    assert student.grad is not None
    assert student.grad[0, 0] < 0 < student.grad[0, 1]


def test_cosine_distance() -> None:
    student = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])
    teacher = torch.tensor([[5.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert cosine_distance(student, teacher).item() == pytest.approx((0 + 1 + 2) / 3)
    weights = torch.tensor([1.0, 3.0, 0.0])
    assert cosine_distance(student, teacher, weights).item() == pytest.approx(3 / 4)


def test_a_weight_of_zero_leaves_an_item_out() -> None:
    student, teacher = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(1))
    weights = torch.tensor([1.0, 1.0, 0.0, 0.0])
    for term in (cosine_distance, soft_label_divergence):
        torch.testing.assert_close(term(student, teacher, weights), term(student[:2], teacher[:2]))
