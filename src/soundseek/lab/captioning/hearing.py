"""What a captioner hears: the encoder's steps in a row, and a tagger's classes beside them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from soundseek.errors import DataError


def in_a_row(sequence: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Steps `[batch, steps, width]` with their mask, gaps between windows closed: a sound's own
    steps come first, in their order, zeros behind them, as long as the longest.

    A position is then a time, whatever the windows leave over.
    """
    order = mask.to(torch.int8).sort(dim=1, descending=True, stable=True).indices
    longest = int(mask.sum(1).max())
    order = order[:, :longest]
    closed = mask.gather(1, order)
    moved = sequence.gather(1, order.unsqueeze(-1).expand(-1, -1, sequence.shape[2]))
    return moved * closed.unsqueeze(-1), closed


def with_events(sequence: Tensor, mask: Tensor, probabilities: Tensor, form: str) -> Tensor:
    """Steps `[batch, steps, width]` and a tagger's probabilities at the same steps
    `[batch, steps, classes]` → `[batch, steps, width + classes]`, zeros where `mask` is False.

    The CMU report (2022, section 7) saves "the class of sound generated at each time step" and
    leaves open how: `form` is `probabilities`, all classes as they are, which keeps doubt and
    several sounds at once; or `classes`, 1 for the likeliest and 0 for all others, the first of
    those that are equally likely.

    Raises `DataError` where there are not as many steps.
    """
    if probabilities.shape[:2] != sequence.shape[:2]:
        raise DataError(
            f"a tagger's steps {tuple(probabilities.shape[:2])} beside the encoder's "
            f"{tuple(sequence.shape[:2])}",
            remedy="bring the probabilities to the encoder's steps first",
        )
    if form == "classes":
        probabilities = F.one_hot(probabilities.argmax(2), probabilities.shape[2])
    events = probabilities.to(sequence) * mask.unsqueeze(-1)
    return torch.cat([sequence, events], dim=2)
