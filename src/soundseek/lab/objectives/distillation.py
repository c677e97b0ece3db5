"""Distillation: make the student's outputs those of a teacher that heard the same sound."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def cosine_distance(student: Tensor, teacher: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean of 1 − cos over items `[n, width]`, weighted by `weights` `[n]` where given."""
    distance = 1.0 - F.cosine_similarity(student, teacher, dim=-1)
    return distance.mean() if weights is None else (distance * weights).sum() / weights.sum()


def soft_label_divergence(
    logits: Tensor, teacher_logits: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Sum over classes of the Bernoulli KL(teacher ‖ student), mean over items.

    `logits`, `teacher_logits` `[n, classes]`. Zero exactly where both agree, so that the value
    tells how far the student still is.
    """
    target = teacher_logits.sigmoid()
    cross = F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(-1)
    entropy = F.binary_cross_entropy_with_logits(teacher_logits, target, reduction="none").sum(-1)
    divergence = cross - entropy
    return divergence.mean() if weights is None else (divergence * weights).sum() / weights.sum()
