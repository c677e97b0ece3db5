"""Mixup: weighted sums of two items; pairs and weights are drawn first, then applied.

Zhang et al. 2018, "mixup". Two forms: PANNs', where neighbours of a batch become one item (so a
batch is drawn twice as large), and that of Samsung's DCASE 2024 report (section 3.2), where pairs
of a batch are mixed on their log-mel spectrograms and, with the same weights, on the word
embeddings of their captions, and join the batch as additional pairs. All plans are of a whole batch
and drawn from a generator of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from soundseek.errors import RecipeError


@dataclass(frozen=True)
class PairMixPlan:
    """Mixed item k is `weights[k]` of item `first[k]` and the rest of item `second[k]`."""

    first: tuple[int, ...] = ()
    second: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.weights)


def draw_pairs(
    rng: np.random.Generator,
    batch: int,
    *,
    share: float,
    alpha: float,
    groups: Sequence[int] | None = None,
) -> PairMixPlan:
    """Draw which items are mixed with which.

    Args:
        batch: number of items.
        share: so many mixed items are made, as a share of the batch (rounded), each from another
            first item.
        alpha: λ ~ Beta(alpha, alpha). The report gives neither share nor alpha.
        groups: where given, an item's partner is of another group (another clip); an item without
            such a partner is not mixed.

    Raises `RecipeError` for a share outside 0 … 1 and for an `alpha` that is not above 0.
    """
    _check_alpha(alpha)
    if not 0.0 <= share <= 1.0:
        raise RecipeError(f"mixup_share is {share}, but it must lie between 0 and 1")
    marks = np.arange(batch) if groups is None else np.asarray(groups)
    first, second, weights = [], [], []
    for item in rng.permutation(batch)[: round(share * batch)].tolist():
        others = np.flatnonzero(marks != marks[item])
        pick, weight = rng.random(), rng.beta(alpha, alpha)
        if others.size:
            first.append(item)
            second.append(int(others[int(pick * others.size)]))
            weights.append(float(weight))
    return PairMixPlan(tuple(first), tuple(second), tuple(weights))


def draw_neighbours(rng: np.random.Generator, batch: int, alpha: float = 1.0) -> PairMixPlan:
    """PANNs' plan: items 2i and 2i + 1 become one, λ ~ Beta(alpha, alpha) (1.0 there).

    Raises `RecipeError` for an odd batch and for an `alpha` that is not above 0.
    """
    _check_alpha(alpha)
    if batch % 2:
        raise RecipeError(f"neighbours of a batch of {batch} cannot be paired: it must be even")
    weights = rng.beta(alpha, alpha, batch // 2)
    return PairMixPlan(
        tuple(range(0, batch, 2)), tuple(range(1, batch, 2)), tuple(weights.tolist())
    )


def mix_rows(rows: Tensor, plan: PairMixPlan) -> Tensor:
    """The mixed items alone: `[batch, …]` → `[len(plan), …]`.

    For embeddings, class targets, and spectrograms of one length.
    """
    first, second = _indices(plan, rows)
    weights = rows.new_tensor(plan.weights).reshape(-1, *[1] * (rows.ndim - 1))
    return weights * rows[first] + (1.0 - weights) * rows[second]


def mix_features(
    features: Tensor, plan: PairMixPlan, lengths: Tensor, silence: float | Tensor
) -> Tensor:
    """The mixed spectrograms alone: `[batch, frames, bands]` → `[len(plan), frames, bands]`.

    `silence` (a number, or `[bands]`) is what the front-end makes of digital silence: it stands in
    the place of the frames behind an item's `lengths`, so that the result does not depend on what
    was there. Zeros would not do: they are loud in most log-mels.
    """
    positions = torch.arange(features.shape[1], device=features.device)
    valid = positions < lengths.to(features.device)[:, None]
    quiet = torch.as_tensor(silence, dtype=features.dtype, device=features.device)
    return mix_rows(torch.where(valid[:, :, None], features, quiet), plan)


def mix_lengths(lengths: Tensor, plan: PairMixPlan) -> Tensor:
    """Valid frames of the mixed items, `[len(plan)]`: those of the longer of both."""
    first, second = _indices(plan, lengths)
    return torch.maximum(lengths[first], lengths[second])


def mix_words(words: Tensor, mask: Tensor, plan: PairMixPlan) -> tuple[Tensor, Tensor]:
    """Mix captions in the space of their word embeddings.

    Args:
        words: `[batch, tokens, width]`, what the embedding layer gives.
        mask: bool `[batch, tokens]`, True = part of the text.

    Returns: mixed embeddings `[len(plan), tokens, width]` and the union of both masks. Padding
    counts as a vector of zeros, so that the result does not depend on what stood there.
    """
    first, second = _indices(plan, words)
    return mix_rows(words.masked_fill(~mask.unsqueeze(-1), 0.0), plan), mask[first] | mask[second]


def _indices(plan: PairMixPlan, rows: Tensor) -> tuple[Tensor, Tensor]:
    highest = max((*plan.first, *plan.second), default=-1)
    if highest >= len(rows):
        raise RecipeError(f"a mixup plan that names item {highest} of a batch of {len(rows)}")
    return (
        torch.tensor(plan.first, dtype=torch.long, device=rows.device),
        torch.tensor(plan.second, dtype=torch.long, device=rows.device),
    )


def _check_alpha(alpha: float) -> None:
    if alpha <= 0.0:
        raise RecipeError(
            f"mixup_alpha is {alpha}, but a Beta distribution needs more than 0",
            remedy="to switch mixup off set mixup_share=0",
        )
