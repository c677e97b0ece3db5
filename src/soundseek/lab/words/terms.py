"""What a text tower is told about its vectors, given the teacher's."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from soundseek.lab.words.recipe import ObjectiveSection

_TEMPERATURE = 0.05


def terms(objective: ObjectiveSection, vectors: Tensor, taught: Tensor) -> dict[str, Tensor]:
    """The terms that the recipe gives a weight; both arguments are L2-normalised `[n, dimension]`.

    `cosine`: 1 − z_i · t_i. `similarity`: the mean square of z_i · t_j − t_i · t_j over i ≠ j: what
    a query z scores against things that lie where the teacher put them. `ranking`: the Kullback-
    Leibler divergence of these scores' softmax from that of t_i · t_j, at a temperature of 0.05
    (Hinton et al. 2015; between similarities of a batch Passalis and Tefas 2018).
    """
    found = {}
    if objective.cosine:
        found["cosine"] = (1.0 - (vectors * taught).sum(-1)).mean()
    if objective.similarity or objective.ranking:
        others = ~torch.eye(len(taught), dtype=torch.bool, device=taught.device)
        scores, wanted = vectors @ taught.T, taught @ taught.T
        if objective.similarity:
            found["similarity"] = (scores - wanted)[others].square().mean()
        if objective.ranking:
            log_scores, log_wanted = (
                F.log_softmax(each.masked_fill(~others, -torch.inf) / _TEMPERATURE, dim=-1)
                for each in (scores, wanted)
            )
            # What stands for the text itself is −∞ in both, and must not reach the difference.
            difference = (log_wanted - log_scores).masked_fill(~others, 0.0)
            found["ranking"] = (log_wanted.exp() * difference).sum(-1).mean()
    return found


def weighted(objective: ObjectiveSection, found: dict[str, Tensor]) -> Tensor:
    """The sum of the terms times their weights."""
    weights = objective.model_dump()
    return torch.stack([weights[name] * value for name, value in found.items()]).sum()
