"""Seeded batches of pairs for the tests of the training objectives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.lab.encodings import AudioEncoding, TextEncoding, Tokens, masked_mean
from soundseek.lab.objectives.pairs import PairBatch

WIDTH = 8
VOCABULARY = 30
MASK_ID = 4
SPECIAL = frozenset({0, 1, 2, 3, MASK_ID})


def vectors(seed: int, n: int, width: int = 6) -> tuple[Tensor, Tensor]:
    """Raw `[n, width]` in double precision: sounds, texts."""
    generator = torch.Generator().manual_seed(seed)
    audio, text = torch.randn(2, n, width, generator=generator, dtype=torch.float64)
    return audio, text


def pair_batch(groups: Sequence[int], seed: int = 0, **changes: Any) -> PairBatch:
    """L2-normalised embeddings, sequences of 5 steps and captions of 2 to 6 words."""
    n = len(groups)
    generator = torch.Generator().manual_seed(1000 + seed)
    audio, text = (F.normalize(side.float(), dim=-1) for side in vectors(seed, n))
    steps = torch.arange(5) < torch.randint(2, 6, (n, 1), generator=generator)
    sequence = torch.randn(n, 5, WIDTH, generator=generator)
    ids = torch.randint(5, VOCABULARY, (n, 8), generator=generator)
    lengths = torch.randint(4, 9, (n, 1), generator=generator)
    mask = torch.arange(8) < lengths
    ids = ids.masked_fill(~mask, 0).scatter(1, lengths - 1, 2)
    ids[:, 0] = 1
    words = torch.randn(n, 8, WIDTH, generator=generator)
    settings: dict[str, Any] = {
        "audio": audio,
        "text": text,
        "groups": torch.tensor(groups),
        "audio_encoding": AudioEncoding(sequence, steps, masked_mean(sequence, steps)),
        "text_encoding": TextEncoding(words, mask, masked_mean(words, mask)),
        "tokens": Tokens(ids, mask),
        "plain": n,
        "generator": torch.Generator().manual_seed(seed),
    }
    return PairBatch(**{**settings, **changes})


class TinyFusing(nn.Module):
    """One layer that adds what it hears to running means of what it reads."""

    mask_id = MASK_ID
    special_ids = SPECIAL
    vocabulary_size = VOCABULARY
    width = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, WIDTH)
        self.listen = nn.Linear(WIDTH, WIDTH)
        self.predict = nn.Linear(WIDTH, VOCABULARY)
        self.fused: list[dict[str, Any]] = []

    def fuse(
        self, ids: Tensor, mask: Tensor, audio: Tensor, audio_mask: Tensor, *, causal: bool = False
    ) -> Tensor:
        self.fused.append({"ids": ids, "mask": mask, "audio": audio, "causal": causal})
        seen = mask[:, None, :].expand(-1, ids.shape[1], -1).float()
        if causal:
            seen = seen.tril()
        read = seen @ self.words(ids) / seen.sum(-1, keepdim=True).clamp(min=1.0)
        heard = torch.tanh(self.listen(masked_mean(audio, audio_mask)))
        return read * heard[:, None] + read + heard[:, None]

    def vocabulary_logits(self, sequence: Tensor) -> Tensor:
        if sequence.dim() != 3:
            raise ValueError(f"sequence of shape {list(sequence.shape)}")
        logits: Tensor = self.predict(sequence)
        return logits
