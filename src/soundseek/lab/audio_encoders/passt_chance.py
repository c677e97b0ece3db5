"""What PaSST leaves to chance in training (Koutini et al. 2022, section 2.3, and the public code):
which patches it sees, and where the mel bands begin and end. Drawn first, then applied."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from soundseek.audio.spec import FrontEndSpec
from soundseek.errors import DataError

# Ranges of the public code, in Hz: the feet of the first band, the end of the last.
_F_MIN_RANGE = 10
_F_MAX_RANGE = 2000


class Patchout(NamedTuple):
    """What is kept of a grid of patches, each int64 and sorted.

    `columns` of time and `rows` of frequency first; `tokens` index what these leave, flattened
    row after row.
    """

    columns: Tensor
    rows: Tensor
    tokens: Tensor


def draw_patchout(
    columns: int,
    rows: int,
    *,
    time: int,
    frequency: int,
    tokens: int,
    generator: torch.Generator | None = None,
) -> Patchout:
    """Drop `time` of `columns`, `frequency` of `rows`, and then `tokens` of the patches left.

    `generator` None is torch's global one. Raises `DataError` when nothing would be left.
    """
    if time >= columns or frequency >= rows or tokens >= (columns - time) * (rows - frequency):
        raise DataError(
            f"patchout of {time} columns, {frequency} rows and {tokens} tokens leaves nothing of"
            f" {columns} columns by {rows} rows",
            remedy="lower it, or pad the clips",
        )
    left = (columns - time) * (rows - frequency)
    return Patchout(
        _kept(columns, time, generator),
        _kept(rows, frequency, generator),
        _kept(left, tokens, generator),
    )


def apply_patchout(grid: Tensor, patchout: Patchout) -> Tensor:
    """`grid` `[batch, rows, columns, ...]` → the kept patches `[batch, tokens, ...]`."""
    columns, rows, tokens = (part.to(grid.device) for part in patchout)
    return grid[:, :, columns][:, rows].flatten(1, 2)[:, tokens]


def draw_jittered(spec: FrontEndSpec, generator: torch.Generator | None = None) -> FrontEndSpec:
    """`spec` with its lowest frequency raised by less than 10 Hz and its highest moved by up to
    1 kHz either way, each by a whole number of Hz."""
    f_min = spec.f_min + _below(_F_MIN_RANGE, generator)
    f_max = spec.f_max + _F_MAX_RANGE // 2 - _below(_F_MAX_RANGE, generator)
    return replace(spec, f_min=f_min, f_max=f_max)


def _kept(n: int, dropped: int, generator: torch.Generator | None) -> Tensor:
    if not dropped:
        return torch.arange(n)
    device = "cpu" if generator is None else generator.device
    order = torch.randperm(n, generator=generator, device=device)
    return order[: n - dropped].sort().values


def _below(limit: int, generator: torch.Generator | None) -> int:
    device = "cpu" if generator is None else generator.device
    return int(torch.randint(limit, (), generator=generator, device=device))
