"""NT-Xent over a batch with repeated clips, in the three ways the reports treat these.

`contrastive.nt_xent` is the same cross-entropy for explicit masks, averaging over an anchor's
positives first; where every group has as many pairs, both agree.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.lab.objectives.options import number, one_of, switch
from soundseek.lab.objectives.pairs import PairBatch
from soundseek.lab.objectives.scores import dot_products, same_group

Duplicates = Literal["masked", "positives", "negatives"]
Reduction = Literal["mean", "sum_directions"]

LARGEST_SCALE: Final = 100.0


def grouped_nt_xent(
    similarity: Tensor,
    groups: Tensor,
    scale: Tensor | float,
    *,
    duplicates: Duplicates = "masked",
    reduction: Reduction = "mean",
) -> Tensor:
    """1/2 (L_rows + L_columns), with L_rows = −mean over positives (i, j) of log softmax_j(z S_ij).

    `similarity` S `[n, n]`, row = sound, column = text, cosines as a rule; `groups` `[n]`; `scale`
    z = 1 / temperature. `duplicates`, the other pairs of an anchor's own group, are

    * `masked`: taken out before the softmax; only pair i is positive in row i.
    * `positives`: positive, the mean running over all positives of the batch (CP-JKU: I_ij = same
      file; DCASE 2024 Task 8).
    * `negatives`: left among the negatives. This is plain symmetric cross-entropy, hence what
      Surrey's published code computes, as its label mask comes after the softmax (DCASE 2022
      Task 6b, eq. 2).

    `reduction` `sum_directions` leaves out the 1/2, as the formula of Surrey's report does (their
    code has it). With every clip once, the three are the InfoNCE loss of CLIP, of Samsung's A-CCL
    (up to its sum over the batch) and of the 2022 study with CNN10 and BERT (section 3.2).
    """
    same = same_group(groups)
    own = torch.eye(len(groups), dtype=torch.bool, device=groups.device)
    logits = scale * similarity
    if duplicates == "masked":
        logits = logits.masked_fill(same & ~own, -torch.inf)
    positives = same if duplicates == "positives" else own
    rows, columns = (
        -torch.where(positives, F.log_softmax(logits, dim), 0.0).sum() / positives.sum()
        for dim in (1, 0)
    )
    return (rows + columns) * (0.5 if reduction == "mean" else 1.0)


class NtXent(nn.Module):
    """`grouped_nt_xent` of the batch's scores, at a fixed or a learnt temperature.

    A learnt one is the parameter `log_scale`, which starts at log(1 / temperature) and is brought
    back to log 100 where a step has taken it beyond (CLIP, Radford et al. 2021, section 2.5).
    """

    log_scale: nn.Parameter | None

    def __init__(
        self,
        *,
        temperature: float = 0.07,
        learnt: bool = False,
        duplicates: Duplicates = "masked",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        one_of("nt_xent", "duplicates", duplicates, ("masked", "positives", "negatives"))
        one_of("nt_xent", "reduction", reduction, ("mean", "sum_directions"))
        least = 1.0 / LARGEST_SCALE if switch("nt_xent", "learnt", learnt) else -math.inf
        self.temperature = number("nt_xent", "temperature", temperature, above=0.0, least=least)
        start = torch.tensor(-math.log(self.temperature))
        self.log_scale = nn.Parameter(start) if learnt else None
        self.duplicates: Duplicates = duplicates
        self.reduction: Reduction = reduction

    def scale(self) -> Tensor | float:
        """1 / temperature, as it is now."""
        if self.log_scale is None:
            return 1.0 / self.temperature
        # On the parameter itself: clamping its use would stop the gradient that leads back.
        with torch.no_grad():
            self.log_scale.clamp_(max=math.log(LARGEST_SCALE))
        return self.log_scale.exp()

    def forward(self, batch: PairBatch) -> Tensor:
        return grouped_nt_xent(
            dot_products(batch.audio, batch.text),
            batch.groups,
            self.scale(),
            duplicates=self.duplicates,
            reduction=self.reduction,
        )
