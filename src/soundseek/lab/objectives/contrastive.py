"""Contrastive objectives over a batch of paired embeddings.

`nt_xent` is the symmetric normalised-temperature cross-entropy of the retrieval reports, extended
to several positives as in supervised contrastive learning (Khosla et al. 2020, eq. 2): with one
positive a row and nothing ignored it is the usual InfoNCE loss of CLIP.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def nt_xent(
    audio: Tensor,
    text: Tensor,
    scale: Tensor | float,
    positives: Tensor | None = None,
    ignored: Tensor | None = None,
) -> Tensor:
    """Mean over rows and columns of −Σ_p log softmax(scale · cos)_p / |p|.

    `audio`, `text` `[n, width]`, L2-normalised; `scale` is 1 / temperature. `positives` bool
    `[n, n]` (default: the diagonal) has at least one True in every row and column. Pairs that are
    `ignored` and not positive are taken out **before** the softmax: they are neither positives nor
    negatives (clips that share part of their text).
    """
    logits = scale * audio @ text.T
    if positives is None:
        positives = torch.eye(len(audio), dtype=torch.bool, device=audio.device)
    if ignored is not None:
        logits = logits.masked_fill(ignored & ~positives, -torch.inf)
    return 0.5 * (_rows(logits, positives) + _rows(logits.T, positives.T))


def _rows(logits: Tensor, positives: Tensor) -> Tensor:
    log_probability = F.log_softmax(logits, dim=1).masked_fill(~positives, 0.0)
    return -(log_probability.sum(1) / positives.sum(1)).mean()


def soft_nt_xent(audio: Tensor, text: Tensor, scale: float, targets: Tensor) -> Tensor:
    """Symmetric cross-entropy against soft targets.

    `targets` `[n, n]`: non-negative affinities, normalised here along rows and along columns.
    """
    logits = scale * audio @ text.T
    rows = -(targets / targets.sum(1, keepdim=True) * F.log_softmax(logits, dim=1)).sum(1).mean()
    columns = -(targets / targets.sum(0) * F.log_softmax(logits, dim=0)).sum(0).mean()
    return 0.5 * (rows + columns)


def shared_groups(groups: Tensor) -> tuple[Tensor, Tensor]:
    """Group ids `[n, g]` (−1 = none) → `(positives, ignored)` bool `[n, n]`.

    Items with the same set of groups are positives of each other; items that share some group but
    not all are ignored. Each row's ids are sorted ascending.
    """
    same = (groups[:, None, :] == groups[None, :, :]).all(-1)
    present = groups >= 0
    equal = groups[:, None, :, None] == groups[None, :, None, :]
    both = present[:, None, :, None] & present[None, :, None, :]
    overlap = (equal & both).flatten(2).any(-1)
    return same, overlap & ~same
