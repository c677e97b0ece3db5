"""The bi-encoder: an audio encoder and a text encoder that meet in one space."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from soundseek.lab.audio_encoders.mobile import MobileNet
from soundseek.lab.distilled.heads import AnchoredHead, TextHead
from soundseek.lab.encodings import AudioEncoding
from soundseek.lab.text_encoders.transformer import TextTransformer


class AudioOutput(NamedTuple):
    """`embedding` `[batch, dimension]`, L2-normalised; `logits` `[batch, steps, classes]`."""

    embedding: Tensor
    logits: Tensor
    encoding: AudioEncoding


class BiEncoder(nn.Module):
    """Scores are `scale` times the cosine of the two embeddings; `scale` is learnt, at most 100."""

    def __init__(
        self,
        audio_encoder: MobileNet,
        audio_head: AnchoredHead,
        text_encoder: TextTransformer,
        text_head: TextHead,
        *,
        temperature: float = 0.07,
    ) -> None:
        super().__init__()
        self.audio_encoder = audio_encoder
        self.audio_head = audio_head
        self.text_encoder = text_encoder
        self.text_head = text_head
        self.log_scale = nn.Parameter(torch.tensor(math.log(1.0 / temperature)))

    @property
    def scale(self) -> Tensor:
        return self.log_scale.exp().clamp(max=100.0)

    def encode_audio(self, features: Tensor, lengths: Tensor) -> AudioOutput:
        """Features `[batch, frames, bands]` and valid frame counts `[batch]`."""
        encoding = self.audio_encoder(features, lengths)
        embedding, logits = self.audio_head(encoding)
        return AudioOutput(embedding, logits, encoding)

    def encode_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids and bool mask `[batch, tokens]` → `[batch, dimension]`, L2-normalised."""
        embedding: Tensor = self.text_head(self.text_encoder(ids, mask).pooled)
        return embedding
