"""Distillation from estimated correspondences: how well each sound fits each caption of a batch."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.errors import DataError
from soundseek.lab.objectives.options import number
from soundseek.lab.objectives.pairs import PairBatch
from soundseek.lab.objectives.scores import dot_products


def estimated_correspondences(
    similarity: Tensor,
    correspondences: Tensor,
    temperature: float = 0.05,
    teacher_temperature: float | None = None,
) -> Tensor:
    """1/2 [CE(C, softmax_rows(C*)) + CE(Cᵀ, softmax_rows(C*ᵀ))], each a mean over its n rows.

    `similarity` S `[n, n]`, row = sound, column = text, gives C = S / τ; `correspondences` S*
    `[n, n]`, the mean of the teachers' cosines, gives C* = S* / τ*, where τ* = τ unless given. No
    groups: which captions fit a sound besides its own is what the teachers tell. Its least value is
    the teachers' entropy, not 0.

    Source: CP-JKU, DCASE 2024 Task 8 (estimated audio-caption correspondences). Where C* is far
    larger on the diagonal than elsewhere, this is `grouped_nt_xent` with `duplicates="negatives"`.
    """
    logits = similarity / temperature
    targets = correspondences / (
        temperature if teacher_temperature is None else teacher_temperature
    )
    rows, columns = (
        -(targets.softmax(dim) * F.log_softmax(logits, dim)).sum(dim).mean() for dim in (1, 0)
    )
    return 0.5 * (rows + columns)


class EstimatedCorrespondences(nn.Module):
    """`estimated_correspondences` of the batch's scores; `DataError` where teachers are missing."""

    def __init__(
        self, *, temperature: float = 0.05, teacher_temperature: float | None = None
    ) -> None:
        super().__init__()
        name = "estimated_correspondences"
        self.temperature = number(name, "temperature", temperature, above=0.0)
        self.teacher_temperature = (
            self.temperature
            if teacher_temperature is None
            else number(name, "teacher_temperature", teacher_temperature, above=0.0)
        )

    def forward(self, batch: PairBatch) -> Tensor:
        if batch.correspondences is None:
            raise DataError(
                "estimated_correspondences has no teachers to learn from: "
                "the batch comes without correspondences",
                remedy="name the teachers in the recipe, or leave the term out",
            )
        similarity = dot_products(batch.audio, batch.text)
        if batch.correspondences.shape != similarity.shape:
            raise DataError(
                f"correspondences of shape {list(batch.correspondences.shape)} "
                f"for a batch of {len(similarity)} pairs",
                remedy="give one row per sound and one column per caption of the batch",
            )
        return estimated_correspondences(
            similarity, batch.correspondences, self.temperature, self.teacher_temperature
        )
