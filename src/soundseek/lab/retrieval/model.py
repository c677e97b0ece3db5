"""The retrieval model: two towers, and how their embeddings are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.lab.encodings import AudioEncoding
from soundseek.lab.retrieval.towers import AudioTower, TextTower


@dataclass(frozen=True)
class Heard:
    """Embeddings `[batch, dimension]` of clips, and the encoding that they come from."""

    embedding: Tensor
    encoding: AudioEncoding


class RetrievalModel(nn.Module):
    """Scores are dot products of `embed_audio` and `embed_text`: cosines where `normalise`."""

    def __init__(self, audio: AudioTower, text: TextTower, *, normalise: bool = True) -> None:
        super().__init__()
        self.audio = audio
        self.text = text
        self.normalise = normalise

    def embed_audio(
        self, waveforms: Tensor, samples: Tensor, events: Tensor | None = None
    ) -> Heard:
        """Waveforms `[batch, longest]` with `samples` `[batch]` valid ones."""
        encoding = self.audio.encode(*self.audio.features(waveforms, samples))
        return Heard(self.compared(self.audio.embed(encoding, events)), encoding)

    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """Texts → `[n, dimension]`."""
        return self.compared(self.text.embed(self.text.pooled(texts)))

    def compared(self, embedding: Tensor) -> Tensor:
        """As it is compared: of length 1, where the recipe says so."""
        return F.normalize(embedding, dim=-1) if self.normalise else embedding

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device
