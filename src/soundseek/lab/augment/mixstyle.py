"""Freq-MixStyle: an item takes on part of another's mean and spread in each band.

Zhou et al. 2021, "MixStyle"; along frequency: Schmid et al. 2022; ranges and the rule that the
item's own statistics weigh more: the CP-JKU 2022 study of DCASE task 6b, section 4. A plan needs
the whole batch (partners), so it is drawn from a generator of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from soundseek.errors import RecipeError


@dataclass(frozen=True)
class MixStylePlan:
    """Whose statistics each item takes in (`partners`), and the weight of its own (`weights`).

    A weight of 1 leaves an item as it is, bit for bit.
    """

    partners: tuple[int, ...]
    weights: tuple[float, ...]


def draw_mixstyle(
    rng: np.random.Generator,
    batch: int,
    *,
    probability: float,
    alpha: float,
    per: Literal["item", "batch"] = "item",
    own_weighs_more: bool = True,
) -> MixStylePlan:
    """Draw one batch's plan.

    Args:
        batch: number of items; their partners are a permutation of them.
        probability: how often it is done: to each item for itself (`per` "item", as the CP-JKU 2022
            report words it) or to a batch or not (`per` "batch", as its public code does).
        alpha: λ ~ Beta(alpha, alpha), the weight of an item's own statistics.
        own_weighs_more: λ becomes max(λ, 1 - λ), as the report has it; the public code takes λ as
            it was drawn.

    Raises `RecipeError` for an `alpha` that is not above 0.
    """
    if alpha <= 0.0:
        raise RecipeError(
            f"mixstyle_alpha is {alpha}, but a Beta distribution needs more than 0",
            remedy="to switch MixStyle off set p_mixstyle=0",
        )
    partners = rng.permutation(batch)
    weights = rng.beta(alpha, alpha, batch)
    draws = rng.random(batch if per == "item" else 1)
    if own_weighs_more:
        weights = np.maximum(weights, 1.0 - weights)
    weights = np.where(draws < probability, weights, 1.0)
    return MixStylePlan(tuple(partners.tolist()), tuple(weights.tolist()))


def band_statistics(features: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean and spread of each band over its valid frames, in float32 at least and detached.

    `features` `[batch, (channels,) frames, bands]` → two tensors `[batch, (1,) 1, bands]`. The
    spread is sqrt(unbiased variance + 1e-6); over channels and frames where there are channels.
    """
    values = features.detach().to(torch.promote_types(features.dtype, torch.float32))
    over = tuple(range(1, features.ndim - 1))
    valid = _valid(values, lengths)
    channels = features.shape[1] if features.ndim == 4 else 1
    count = valid.sum(over, keepdim=True).to(values.dtype) * channels
    mean = torch.where(valid, values, 0.0).sum(over, keepdim=True) / count.clamp(min=1.0)
    squares = torch.where(valid, values - mean, 0.0).square().sum(over, keepdim=True)
    return mean, (squares / (count - 1.0).clamp(min=1.0) + 1e-6).sqrt()


def apply_mixstyle(
    features: Tensor, plan: MixStylePlan, *, lengths: Tensor | None = None
) -> Tensor:
    """Give every band of an item the mixed mean and spread; means and spreads mix linearly.

    Args:
        features: `[batch, frames, bands]` or `[batch, channels, frames, bands]`; left as it is.
        lengths: `[batch]`, the valid frames of each item (None: all): statistics are taken over
            them, and frames behind them stay as they are.

    Raises `RecipeError` when the plan is of another batch size.
    """
    if len(plan.partners) != len(features):
        raise RecipeError(
            f"a MixStyle plan of {len(plan.partners)} items for a batch of {len(features)}"
        )
    mean, spread = band_statistics(features, lengths)
    weights = mean.new_tensor(plan.weights).reshape(-1, *[1] * (features.ndim - 1))
    partners = torch.tensor(plan.partners, device=features.device)
    mixed_mean = weights * mean + (1.0 - weights) * mean[partners]
    mixed_spread = weights * spread + (1.0 - weights) * spread[partners]
    restyled = ((features - mean) / spread * mixed_spread + mixed_mean).to(features.dtype)
    return torch.where(_valid(features, lengths) & (weights < 1.0), restyled, features)


def _valid(features: Tensor, lengths: Tensor | None) -> Tensor:
    """Bool `[batch, (1,) frames, 1]`: True where an item has a frame of its own."""
    batch, frames = features.shape[0], features.shape[-2]
    positions = torch.arange(frames, device=features.device)
    if lengths is None:
        valid = torch.ones(batch, frames, dtype=torch.bool, device=features.device)
    else:
        valid = positions < lengths.to(features.device)[:, None]
    return valid.reshape(batch, *[1] * (features.ndim - 3), frames, 1)
