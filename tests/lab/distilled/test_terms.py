from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from torch.nn import functional as F

from soundseek.lab.distilled.terms import (
    FeatureMatch,
    Lesson,
    audio_terms,
    contrastive_term,
    lesson,
)
from soundseek.lab.distilled.tower import AudioOutput
from soundseek.lab.encodings import AudioEncoding
from soundseek.lab.objectives.contrastive import nt_xent
from soundseek.lab.teachers.anchored import AnchoredTeacher

pytestmark = pytest.mark.lab

CLASSES, DIMENSION, WIDTH = 5, 8, 6
MASK = torch.tensor([[True, True], [True, False]])


def drawn(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Ear(torch.nn.Module):
    """In the place of YAMNet: what it says depends on the mean of each band."""

    def forward(self, patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        bands = patches.float().mean(1)
        return (bands @ drawn(64, 1024, seed=2)).relu(), bands @ drawn(64, CLASSES, seed=3)


def test_the_lesson_is_about_what_sounds() -> None:
    teacher = AnchoredTeacher(drawn(CLASSES, DIMENSION)).eval()
    torch.nn.init.normal_(teacher.residual[3].weight, generator=torch.Generator().manual_seed(1))
    log_mels = drawn(2, 192, 64)
    taught = lesson(Ear(), teacher, log_mels, MASK)
    assert taught.features.shape == (2, 2, 1024)
    assert taught.logits.shape == (2, 2, CLASSES)
    assert not taught.target.requires_grad
    embedding, logits = Ear()(log_mels[1:, :96])
    target = teacher(embedding, logits.sigmoid()).detach()
    # The teacher hears in bfloat16: hence a hundredth.
    torch.testing.assert_close(taught.features[1, 0], embedding[0].log1p(), rtol=0, atol=0.02)
    torch.testing.assert_close(taught.target[1:], target, rtol=0, atol=0.02)
    changed = log_mels.clone()
    changed[1, 96:] += 3.0
    assert lesson(Ear(), teacher, changed, MASK).target.equal(taught.target)


def outputs() -> tuple[AudioOutput, Lesson, torch.Tensor]:
    """A student that has learnt the lesson by heart, and its steps as `FeatureMatch` has them."""
    torch.manual_seed(1)
    sequence = drawn(2, 2, WIDTH)
    encoding = AudioEncoding(sequence, MASK, sequence[:, 0])
    embedding = F.normalize(drawn(2, DIMENSION), dim=-1)
    logits = drawn(2, 2, CLASSES)
    output = AudioOutput(embedding, logits, encoding)
    matched = FeatureMatch(WIDTH)(sequence).detach()
    return output, Lesson(matched.clone(), logits.clone(), embedding.clone()), matched


@torch.no_grad()
def test_a_perfect_student_has_nothing_to_learn() -> None:
    terms = audio_terms(*outputs())
    assert list(terms) == ["teacher_embedding", "teacher_scores", "teacher_features"]
    for term in terms.values():
        assert term.item() == pytest.approx(0.0, abs=1e-6)


@torch.no_grad()
def test_steps_without_sound_do_not_count() -> None:
    output, taught, matched = outputs()
    for value in (taught.features, taught.logits):
        value[1, 1] += 5.0
    unheard = audio_terms(output, taught, matched)
    for value in (taught.features, taught.logits):
        value[0, 1] += 5.0
    heard = audio_terms(output, taught, matched)
    for name in ("teacher_scores", "teacher_features"):
        assert unheard[name].item() == pytest.approx(0.0, abs=1e-6)
        assert heard[name].item() > 1e-3


def test_the_contrastive_term_knows_the_groups() -> None:
    audio, text = (F.normalize(drawn(3, DIMENSION, seed=seed), dim=-1) for seed in (1, 2))
    groups = torch.tensor([[-1, 0], [0, 1], [-1, 0]])
    positives = torch.tensor([[1, 0, 1], [0, 1, 0], [1, 0, 1]]).bool()
    expected = nt_xent(audio, text, 9.0, positives, ~positives)
    torch.testing.assert_close(contrastive_term(audio, text, torch.tensor(9.0), groups), expected)
