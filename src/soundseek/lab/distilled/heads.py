"""Heads: from an encoder's width to the shared space of sound and text."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.lab.encodings import AudioEncoding, masked_mean


class AnchoredHead(nn.Module):
    """Class scores place the sound among the vectors of the class names; a residual refines it.

    z = L2(L2(Σ_c s_c · a_c) + r(pooled)), s = mean over the valid steps of σ(class logits).
    `anchors` `[classes, dimension]` are the text vectors of the class names, each times its
    weight (rare classes count more); they are learnt further.
    """

    def __init__(self, width: int, anchors: Tensor, *, hidden: int = 512, dropout: float = 0.1):
        super().__init__()
        classes, dimension = anchors.shape
        self.classes = nn.Linear(width, classes)
        self.anchors = nn.Parameter(anchors.clone())
        self.residual = residual_network(width, hidden, dimension, dropout)
        # A class is rarely heard: starting near the prior saves the first thousand steps.
        nn.init.constant_(self.classes.bias, -6.0)

    def forward(self, encoding: AudioEncoding) -> tuple[Tensor, Tensor]:
        """→ (embedding `[batch, dimension]`, class logits `[batch, steps, classes]`)."""
        logits = self.classes(encoding.sequence)
        scores = masked_mean(logits.sigmoid(), encoding.mask)
        return anchored(scores, self.anchors, self.residual(encoding.pooled)), logits

    @torch.no_grad()
    def scale_residual(self, factor: float) -> None:
        """Let the residual count `factor` times as much."""
        for parameter in self.residual[-1].parameters():
            parameter.mul_(factor)


def anchored(scores: Tensor, anchors: Tensor, residual: Tensor) -> Tensor:
    """L2(L2(scores · anchors) + residual)."""
    return F.normalize(F.normalize(scores @ anchors, dim=-1) + residual, dim=-1)


def residual_network(width: int, hidden: int, dimension: int, dropout: float) -> nn.Sequential:
    """Two layers whose output starts at zero, so that training starts from the anchor."""
    last = nn.Linear(hidden, dimension)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), last)


class TextHead(nn.Module):
    """Linear projection and L2 norm: `[batch, width]` → `[batch, dimension]`."""

    def __init__(self, width: int, dimension: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, dimension)

    def forward(self, pooled: Tensor) -> Tensor:
        return F.normalize(self.projection(pooled), dim=-1)


def class_weights(mean_scores: Tensor, smoothing: float = 0.01) -> Tensor:
    """1 / (mean score over the training clips + smoothing): what is always heard tells little."""
    return 1.0 / (mean_scores + smoothing)


def normalised_anchors(vectors: Tensor, weights: Tensor) -> Tensor:
    """Class-name vectors times their weights, scaled so that the largest weight is 1."""
    return vectors * (weights / weights.max())[:, None].to(torch.float32)
