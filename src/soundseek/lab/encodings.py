"""What every encoder returns: a sequence, its mask, and one vector for the whole.

One shape serves retrieval (pooled), cross-attention matching and captioning (sequence), and
finding the moment (sequence and seconds per step).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor


@dataclass(frozen=True)
class AudioEncoding:
    """What an audio encoder makes of a batch.

    Attributes:
        sequence: `[batch, steps, width]`.
        mask: bool `[batch, steps]`, True = sound.
        pooled: `[batch, width]`, what a projection into the shared space starts from.
        feature_map: the last map before any pooling, in the public code's layout, where the
            architecture has one.
        embedding: what the public code calls the embedding, where that is not `pooled`.
        logits: `[batch, classes]`, where the encoder has a classifier.
        step_logits: `[batch, steps, classes]`, where it classifies every step of `sequence`; what
            stands at steps that are masked means nothing.
    """

    sequence: Tensor
    mask: Tensor
    pooled: Tensor
    feature_map: Tensor | None = None
    embedding: Tensor | None = None
    logits: Tensor | None = None
    step_logits: Tensor | None = None

    @property
    def probabilities(self) -> Tensor | None:
        """Class probabilities `[batch, classes]` (independent classes: a sigmoid each)."""
        return None if self.logits is None else self.logits.sigmoid()


@dataclass(frozen=True)
class TextEncoding:
    """`sequence` `[batch, tokens, width]`, `mask` bool `[batch, tokens]`, `pooled`
    `[batch, width]`."""

    sequence: Tensor
    mask: Tensor
    pooled: Tensor


class Tokens(NamedTuple):
    """`ids` int64 and `mask` bool, both `[batch, tokens]`; True = part of the text."""

    ids: Tensor
    mask: Tensor


class AudioEncoder(Protocol):
    """Waveform → features → encoding.

    `lengths` `[batch]` counts the valid frames of each item (None: all are). With lengths, the
    result of an item does not depend on the padding behind it.
    """

    sample_rate: int
    width: int
    seconds_per_step: float

    def features(self, waveforms: Tensor) -> Tensor: ...

    def __call__(self, features: Tensor, lengths: Tensor | None = None) -> AudioEncoding: ...


class TextEncoder(Protocol):
    """Token ids and mask → encoding."""

    width: int

    def __call__(self, ids: Tensor, mask: Tensor) -> TextEncoding: ...


class CaptionEncoder(TextEncoder, Protocol):
    """A text encoder that brings its own tokenizer."""

    def tokenise(self, texts: Sequence[str]) -> Tokens: ...


def masked_mean(sequence: Tensor, mask: Tensor) -> Tensor:
    """Mean over the steps where `mask` is True: `[batch, steps, width]` → `[batch, width]`."""
    weights = mask.unsqueeze(-1).to(sequence.dtype)
    return (sequence * weights).sum(1) / weights.sum(1).clamp(min=1.0)
