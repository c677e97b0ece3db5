"""A retrieval model as the two networks of a bundle: from features and from token ids to unit
vectors."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.lab.encodings import Tokens
from soundseek.lab.retrieval.model import RetrievalModel


class AudioNetwork(nn.Module):
    """Features `[batch, frames, bands]` of windows and valid frames int64 `[batch]` → unit vectors
    `[batch, dimension]`.

    A window of fewer valid frames than the encoder takes counts as that long, silence included, as
    training and evaluation have it.
    """

    def __init__(self, model: RetrievalModel) -> None:
        super().__init__()
        self.tower = model.audio
        self.least_frames = model.audio.audio_encoder.least_frames

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        encoding = self.tower.encoder(features, lengths.clamp(min=self.least_frames))
        return F.normalize(self.tower.embed(encoding), dim=-1)


class TextNetwork(nn.Module):
    """Token ids and mask int64 `[batch, tokens]` → unit vectors `[batch, dimension]`.

    `unknown_id`: of tokens that are to be left out as if they were padding; None: there are none.
    """

    def __init__(self, model: RetrievalModel, *, unknown_id: int | None = None) -> None:
        super().__init__()
        self.tower = model.text
        self.unknown_id = unknown_id

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        mask = attention_mask.bool()
        if self.unknown_id is not None:
            mask = mask & (input_ids != self.unknown_id)
        encoding = self.tower.encode(Tokens(input_ids, mask))
        return F.normalize(self.tower.embed(encoding.pooled), dim=-1)
