from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F

from soundseek.lab.words.recipe import ObjectiveSection
from soundseek.lab.words.terms import terms, weighted

pytestmark = pytest.mark.lab

ALL = ObjectiveSection(cosine=1.0, similarity=2.0, ranking=0.5)


def unit(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(5, 8, generator=generator), dim=-1)


def test_the_teacher_itself_has_no_loss() -> None:
    for name, value in terms(ALL, unit(1), unit(1)).items():
        assert value.item() == pytest.approx(0.0, abs=1e-6), name


def test_terms_are_those_of_a_naive_sum() -> None:
    z, t = unit(1), unit(2)
    found = terms(ALL, z, t)
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    squares = [float(z[i] @ t[j] - t[i] @ t[j]) ** 2 for i, j in pairs]
    ranking = 0.0
    for i in range(5):
        others = [j for j in range(5) if j != i]
        mine = F.softmax(torch.stack([z[i] @ t[j] for j in others]) / 0.05, dim=0)
        theirs = F.softmax(torch.stack([t[i] @ t[j] for j in others]) / 0.05, dim=0)
        ranking += float((theirs * (theirs / mine).log()).sum()) / 5
    assert found["cosine"].item() == pytest.approx(1 - float((z * t).sum(-1).mean()), abs=1e-6)
    assert found["similarity"].item() == pytest.approx(sum(squares) / 20, abs=1e-6)
    assert found["ranking"].item() == pytest.approx(ranking, rel=1e-4)
    expected = sum(w * found[name].item() for name, w in ALL.model_dump().items())
    assert weighted(ALL, found).item() == pytest.approx(expected, rel=1e-5)


def test_terms_without_weight_are_left_out_and_all_gradients_are_finite() -> None:
    z = unit(1).requires_grad_()
    assert set(terms(ObjectiveSection(), z, unit(2))) == {"cosine"}
    weighted(ALL, terms(ALL, z, unit(2))).backward()
    assert bool(torch.isfinite(z.grad).all())
