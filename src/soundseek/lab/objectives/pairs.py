"""What an objective's term sees of a batch of (sound, caption) pairs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from soundseek.lab.encodings import AudioEncoding, TextEncoding, Tokens


@dataclass(frozen=True)
class PairBatch:
    """n pairs; row i of `audio` belongs to row i of `text`.

    Attributes:
        audio, text: `[n, dimension]`, as the model compares them (L2-normalised where the recipe
            says so, which is the default).
        groups: int64 `[n]`; pairs of one group are of one clip (or of clips that share their
            text): not negatives of each other.
        audio_encoding, text_encoding, tokens: of the first `plain` pairs; those after them were
            made by mixing two pairs and exist as embeddings only.
        generator: the only source of chance in a term; on the CPU, seeded by (seed, step).
        own: where among the plain pairs stand those of this process: a term whose value is costly
            takes the mean over these alone. All of them where one process trains.
        correspondences: `[n, n]` similarity of sound i and caption j as teachers estimate it, or
            None.
    """

    audio: Tensor
    text: Tensor
    groups: Tensor
    audio_encoding: AudioEncoding
    text_encoding: TextEncoding
    tokens: Tokens
    plain: int
    generator: torch.Generator
    correspondences: Tensor | None = None
    own: slice = field(default_factory=lambda: slice(None))

    @property
    def own_rows(self) -> Tensor:
        """The places of this process's plain pairs."""
        return torch.arange(self.plain, device=self.groups.device)[self.own]


class Term(Protocol):
    """A named part of the objective: a `torch.nn.Module` (it may have weights of its own)."""

    def __call__(self, batch: PairBatch) -> Tensor: ...
