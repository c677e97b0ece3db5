"""The audio tower of the embedded model: from log-mels to the text teacher's space."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from soundseek.lab.audio_encoders.mobile import MobileNet
from soundseek.lab.distilled.heads import AnchoredHead
from soundseek.lab.encodings import AudioEncoding


class AudioOutput(NamedTuple):
    """`embedding` `[batch, dimension]`, L2-normalised; `logits` `[batch, steps, classes]`."""

    embedding: Tensor
    logits: Tensor
    encoding: AudioEncoding


class AudioTower(nn.Module):
    """Scores are `scale` times the cosine of sound and text; `scale` is learnt, at most 100."""

    def __init__(
        self, encoder: MobileNet, head: AnchoredHead, *, temperature: float = 0.07
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.log_scale = nn.Parameter(torch.tensor(math.log(1.0 / temperature)))

    @property
    def scale(self) -> Tensor:
        return self.log_scale.exp().clamp(max=100.0)

    def forward(self, features: Tensor, lengths: Tensor) -> AudioOutput:
        """Features `[batch, frames, bands]` and valid frame counts `[batch]`."""
        encoding = self.encoder(features, lengths)
        embedding, logits = self.head(encoding)
        return AudioOutput(embedding, logits, encoding)
