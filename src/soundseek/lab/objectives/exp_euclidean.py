"""Binary cross-entropy on exp(−Euclidean distance): is this sound the one of this text?"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

from soundseek.lab.objectives.options import number
from soundseek.lab.objectives.pairs import PairBatch
from soundseek.lab.objectives.scores import at_least_single, other_group, same_group

LEAST_DISTANCE: Final = 1e-6


def exp_euclidean_bce(
    audio: Tensor, text: Tensor, groups: Tensor, balance: float | None = None
) -> Tensor:
    """Mean over all pairs of −[y log p + (1 − y) log(1 − p)], p_ij = exp(−‖a_i − t_j‖).

    `audio`, `text` `[n, dimension]`, normalised or not; `groups` `[n]`; y_ij = same group, so that
    the other captions of a clip are positives here and not left out. `balance` b in [0, 1] weighs
    the two kinds: b · mean over positives + (1 − b) · mean over negatives; without it they count
    as often as they occur, 1 : n − 1.

    log p = −d is exact; log(1 − p) takes a distance below 1e-6 for 1e-6, where it would otherwise
    be −∞; the gradient at identical embeddings is 0. Raises `DataError` for a batch of one group.

    Source: Elizalde, Zarar and Raj 2019, as proposed in CMU's report (DCASE 2022 Task 6, section
    6.2.5). Unlike the softmax of NT-Xent, every pair is judged by itself.
    """
    negatives = other_group(groups)
    positives = same_group(groups)
    with torch.autocast(audio.device.type, enabled=False):
        # Not by way of a matrix product, which loses small distances to cancellation.
        distance = torch.cdist(
            at_least_single(audio),
            at_least_single(text),
            compute_mode="donot_use_mm_for_euclid_dist",
        )
    attracted = torch.where(positives, distance, 0.0)
    repelled = torch.where(negatives, -_log_one_minus_exp(distance), 0.0)
    if balance is None:
        return (attracted + repelled).mean()
    return balance * attracted.sum() / positives.sum() + (1.0 - balance) * (
        repelled.sum() / negatives.sum()
    )


def _log_one_minus_exp(distance: Tensor) -> Tensor:
    """log(1 − e^−d) without cancellation on either side of d = log 2 (Mächler 2012)."""
    near = distance.clamp(LEAST_DISTANCE, math.log(2.0))
    far = distance.clamp(min=math.log(2.0))
    return torch.where(
        distance < math.log(2.0), (-torch.expm1(-near)).log(), torch.log1p(-torch.exp(-far))
    )


class ExpEuclideanBce(nn.Module):
    """`exp_euclidean_bce` of the batch's embeddings."""

    def __init__(self, *, balance: float | None = None) -> None:
        super().__init__()
        self.balance = (
            None
            if balance is None
            else number("exp_euclidean_bce", "balance", balance, least=0.0, most=1.0)
        )

    def forward(self, batch: PairBatch) -> Tensor:
        return exp_euclidean_bce(batch.audio, batch.text, batch.groups, self.balance)
