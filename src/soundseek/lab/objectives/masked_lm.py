"""Masked language modelling with sound: fill in the words of a caption while listening."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.errors import DataError
from soundseek.lab.encodings import Tokens
from soundseek.lab.objectives.fusing import fusing_encoder
from soundseek.lab.objectives.options import number, switch
from soundseek.lab.objectives.pairs import PairBatch
from soundseek.lab.objectives.scores import at_least_single
from soundseek.lab.objectives.table import ModelFacts


def draw_token_mask(
    tokens: Tokens, special_ids: Collection[int], share: float, generator: torch.Generator
) -> Tensor:
    """Which tokens to hide: bool `[n, tokens]`.

    In each caption round(`share` · words) of its tokens that are neither padding nor in
    `special_ids`, at least one of them, all choices equally likely. `generator` on the CPU. A
    caption without words has none; raises `DataError` when no caption of the batch has any.
    """
    ids, mask = tokens.ids.cpu(), tokens.mask.cpu()
    words = mask & ~torch.isin(ids, torch.tensor(sorted(special_ids), dtype=ids.dtype))
    counts = words.sum(1, keepdim=True)
    if not bool(counts.any()):
        raise DataError(
            f"none of {len(ids)} captions has a word that could be masked",
            remedy="check the captions and the text encoder's tokenizer",
        )
    hidden = (share * counts).round().clamp(min=1).minimum(counts)
    lots = torch.rand(ids.shape, generator=generator).masked_fill(~words, torch.inf)
    ranks = lots.argsort(1).argsort(1)
    return ((ranks < hidden) & words).to(tokens.ids.device)


def hide_tokens(ids: Tensor, hidden: Tensor, mask_id: int) -> Tensor:
    """Token ids `[n, tokens]` with `mask_id` where `hidden` is True."""
    return ids.masked_fill(hidden, mask_id)


def hidden_token_loss(logits: Tensor, ids: Tensor) -> Tensor:
    """−1/m Σ log softmax(logits)_id over the m hidden tokens.

    `logits` `[m, vocabulary]`; `ids` `[m]`: what stood there. Source: MLM loss of Samsung's report
    (DCASE 2024 Task 8, eq. 3), after VAST.
    """
    return F.cross_entropy(at_least_single(logits), ids)


class MaskedLm(nn.Module):
    """`hidden_token_loss` of the batch's plain pairs, the sound's sequence as encoder states.

    `share` of the words is hidden; `causal` lets a token see only those up to itself, as the
    report's formula P(t_m | t_<m, a) asks; otherwise it sees the whole caption, as in BERT. No
    weights of its own: the head is the text encoder's.
    """

    def __init__(self, *, model_facts: ModelFacts, share: float = 0.6, causal: bool = True) -> None:
        super().__init__()
        # In a tuple: its weights belong to the model, not to this term's state dict.
        self._text_encoder = (fusing_encoder("masked_lm", model_facts),)
        self.share = number("masked_lm", "share", share, above=0.0, most=1.0)
        self.causal = switch("masked_lm", "causal", causal)

    def forward(self, batch: PairBatch) -> Tensor:
        (encoder,) = self._text_encoder
        tokens = Tokens(batch.tokens.ids[: batch.plain], batch.tokens.mask[: batch.plain])
        hidden = draw_token_mask(tokens, encoder.special_ids, self.share, batch.generator)
        own = batch.own_rows
        # Drawn for all, so that as much is drawn in every process.
        tokens, hidden = Tokens(tokens.ids[own], tokens.mask[own]), hidden[own]
        fused = encoder.fuse(
            hide_tokens(tokens.ids, hidden, encoder.mask_id),
            tokens.mask,
            batch.audio_encoding.sequence[own],
            batch.audio_encoding.mask[own],
            causal=self.causal,
        )
        # The vocabulary is wide: only the hidden tokens are worth their logits.
        logits = encoder.vocabulary_logits(fused[hidden][None])[0]
        return hidden_token_loss(logits, tokens.ids[hidden])
