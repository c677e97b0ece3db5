"""What every encoder returns: a sequence, its mask, and one vector for the whole.

One shape serves retrieval (pooled), cross-attention matching and captioning (sequence), and
finding the moment (sequence and seconds per step).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class AudioEncoding:
    """`sequence` `[batch, steps, width]`, `mask` bool `[batch, steps]` (True = sound), `pooled`
    `[batch, width]`."""

    sequence: Tensor
    mask: Tensor
    pooled: Tensor


@dataclass(frozen=True)
class TextEncoding:
    """`sequence` `[batch, tokens, width]`, `mask` bool `[batch, tokens]`, `pooled`
    `[batch, width]`."""

    sequence: Tensor
    mask: Tensor
    pooled: Tensor


class AudioEncoder(Protocol):
    """Waveform → features → encoding; `lengths` counts valid frames."""

    sample_rate: int
    width: int
    seconds_per_step: float

    def features(self, waveforms: Tensor) -> Tensor: ...

    def __call__(self, features: Tensor, lengths: Tensor) -> AudioEncoding: ...


class TextEncoder(Protocol):
    """Token ids and mask → encoding."""

    width: int

    def __call__(self, ids: Tensor, mask: Tensor) -> TextEncoding: ...


def masked_mean(sequence: Tensor, mask: Tensor) -> Tensor:
    """Mean over the steps where `mask` is True: `[batch, steps, width]` → `[batch, width]`."""
    weights = mask.unsqueeze(-1).to(sequence.dtype)
    return (sequence * weights).sum(1) / weights.sum(1).clamp(min=1.0)
