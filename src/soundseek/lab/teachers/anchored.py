"""The sound teacher in the text teacher's space: what the student is distilled towards.

YAMNet's class scores, weighted by how rare a class is in the training clips, place a sound among
the MiniLM vectors of the class names; a residual learnt on captions refines the place. Soft
positives by text similarity keep near-synonyms from being pushed apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.lab.distilled.heads import anchored, residual_network
from soundseek.lab.objectives.contrastive import soft_nt_xent
from soundseek.lab.teachers.yamnet import EMBEDDING_WIDTH


@dataclass(frozen=True)
class TeacherFit:
    """How the residual is learnt. `anchor_pull` keeps it near the anchor where captions say
    little; `soft` is the share of text similarity in the targets."""

    epochs: int = 30
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    temperature: float = 0.1
    soft: float = 0.5
    soft_temperature: float = 0.05
    anchor_pull: float = 2.0
    dropout: float = 0.4


class AnchoredTeacher(nn.Module):
    """Mean YAMNet embedding `[batch, 1024]` and mean scores `[batch, 521]` → `[batch, 384]`."""

    def __init__(self, anchors: Tensor, dropout: float = 0.4) -> None:
        super().__init__()
        self.register_buffer("anchors", anchors)
        self.residual = residual_network(EMBEDDING_WIDTH, 512, anchors.shape[1], dropout)

    anchors: Tensor

    def forward(self, embedding: Tensor, scores: Tensor) -> Tensor:
        return anchored(scores, self.anchors, self.residual(embedding.log1p()))


@dataclass(frozen=True)
class HeardClips:
    """YAMNet's outputs for a list of clips, patch by patch.

    `embeddings` `[patches, 1024]`, `scores` `[patches, 521]`; clip i owns the patches
    `offsets[i]:offsets[i + 1]`, at least one.
    """

    embeddings: Tensor
    scores: Tensor
    offsets: NDArray[np.int64]

    def crops(self, clips: NDArray[np.int64], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Mean outputs over a random run of patches of each clip."""
        embeddings, scores = [], []
        for clip in clips:
            first, end = int(self.offsets[clip]), int(self.offsets[clip + 1])
            length = int(rng.integers(1, end - first + 1))
            start = first + int(rng.integers(0, end - first - length + 1))
            embeddings.append(self.embeddings[start : start + length].mean(0))
            scores.append(self.scores[start : start + length].mean(0))
        return torch.stack(embeddings), torch.stack(scores)

    def whole(self) -> tuple[Tensor, Tensor]:
        """Mean outputs over each whole clip."""
        spans = list(zip(self.offsets[:-1].tolist(), self.offsets[1:].tolist(), strict=True))
        embeddings = torch.stack([self.embeddings[a:b].mean(0) for a, b in spans])
        return embeddings, torch.stack([self.scores[a:b].mean(0) for a, b in spans])


def fit_teacher(
    heard: HeardClips,
    captions: Sequence[Tensor],
    groups: NDArray[np.int64],
    anchors: Tensor,
    fit: TeacherFit,
    *,
    seed: int,
) -> AnchoredTeacher:
    """Learn the residual. `captions[i]` `[n_i, 384]` are the text vectors of clip i's captions
    (none: the clip is left out); `groups` `[clips]`."""
    rng = np.random.default_rng((seed, 0x7EAC))
    torch.manual_seed(seed)
    teacher = AnchoredTeacher(anchors, fit.dropout).train()
    usable = np.array([i for i, vectors in enumerate(captions) if len(vectors)])
    steps_per_epoch = max(1, len(usable) // fit.batch_size)
    optimiser = torch.optim.AdamW(
        teacher.residual.parameters(), fit.learning_rate, weight_decay=fit.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, fit.learning_rate, total_steps=fit.epochs * steps_per_epoch, pct_start=0.1
    )
    for _ in range(fit.epochs):
        order = rng.permutation(usable)
        for chosen in np.array_split(order, steps_per_epoch):
            embedding, scores = heard.crops(chosen, rng)
            text = torch.stack([captions[i][int(rng.integers(len(captions[i])))] for i in chosen])
            predicted = teacher(embedding, scores)
            loss = soft_nt_xent(
                predicted, text, 1.0 / fit.temperature, _targets(text, groups[chosen], fit)
            )
            anchor = F.normalize(scores @ anchors, dim=-1)
            loss = loss + fit.anchor_pull * (1.0 - (predicted * anchor).sum(-1)).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return teacher.eval().requires_grad_(False)


def _targets(text: Tensor, groups: NDArray[np.int64], fit: TeacherFit) -> Tensor:
    ids = torch.from_numpy(groups)
    same = (ids[:, None] == ids[None, :]).float()
    hard = same / same.sum(1, keepdim=True)
    soft = F.softmax(text @ text.T / fit.soft_temperature, dim=1)
    return (1.0 - fit.soft) * hard + fit.soft * soft
