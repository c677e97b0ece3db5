"""What the objectives share: scores, who is of whose group, and that somebody is of another."""

from __future__ import annotations

import torch
from torch import Tensor

from soundseek.errors import DataError


def dot_products(audio: Tensor, text: Tensor) -> Tensor:
    """Scores `[n, n]` of all pairs of `audio`, `text` `[n, dimension]`: row = sound, column = text.

    In single precision at least, also under autocast: divided by a small temperature, the
    rounding of a half-precision product would be as large as the differences that count.
    """
    with torch.autocast(audio.device.type, enabled=False):
        return at_least_single(audio) @ at_least_single(text).T


def at_least_single(values: Tensor) -> Tensor:
    """Half precision made single; anything finer is left as it is."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def same_group(groups: Tensor) -> Tensor:
    """Group ids `[n]` → bool `[n, n]`, True where both are of one group (so on the diagonal)."""
    return groups[:, None] == groups[None, :]


def other_group(groups: Tensor) -> Tensor:
    """Group ids `[n]` → bool `[n, n]`, True where a pair may be a negative: one in every row.

    Raises `DataError` naming the groups when all pairs are of one: there is nothing to tell apart.
    """
    others = ~same_group(groups)
    if not bool(others.any()):
        distinct = sorted({int(group) for group in groups.tolist()})
        raise DataError(
            f"a batch with one distinct clip has no impostors: {len(groups)} pairs, "
            f"groups {distinct}",
            remedy="use a larger batch, or shuffle so that pairs of different clips meet in it",
        )
    return others
