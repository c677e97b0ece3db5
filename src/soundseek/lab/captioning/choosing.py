"""What narrows the next token's scores down: allowed words, and chance.

Each is a `LogitsProcessor` of transformers: what was written `[rows, tokens]` and the scores of the
next token `[rows, vocabulary]` → scores. Rows are beams, captions one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from soundseek.lab.captioning.words import AllowedWords

_NEVER = float("-inf")


class OnlyAllowedWords:
    """Scores of the tokens that may follow; where earlier rules leave none of them, of the end,
    though a word may break off there."""

    def __init__(self, words: AllowedWords, *, bos: int, eos: int) -> None:
        self._words = words
        self._bos = bos
        self._eos = eos

    def __call__(self, ids: Tensor, scores: Tensor) -> Tensor:
        allowed = torch.full_like(scores, _NEVER)
        for row, written in enumerate(ids.tolist()):
            if self._eos in written[1:]:
                allowed[row] = scores[row]  # it is done
                continue
            tokens, ends = self._words.after(of_words(written, self._bos))
            if len(written) == 1:
                tokens = [*tokens, self._bos]
            if ends:
                tokens = [*tokens, self._eos]
            allowed[row, tokens] = scores[row, tokens]
            if not bool(allowed[row].isfinite().any()):
                allowed[row, self._eos] = 0.0
        return allowed


def of_words(written: Sequence[int], bos: int) -> Sequence[int]:
    """Without what the decoder starts with, and the start of a caption that may stand behind it."""
    return written[2:] if written[1:2] == [bos] else written[1:]


class ByChance:
    """Scores of which the largest is a draw from the nucleus (Holtzman et al. 2020): the likeliest
    tokens whose probabilities, at `temperature`, add up to `top_p`.

    The largest of scores with Gumbel noise is distributed as the scores' softmax, so that a greedy
    search draws. Every row has a generator of its own, seeded by `seed` and its place in the whole:
    what it draws does not depend on what it is in a batch with.
    """

    def __init__(
        self, places: Sequence[int], *, seed: int, top_p: float, temperature: float
    ) -> None:
        self._top_p = top_p
        self._temperature = temperature
        # Not seed + place, by which the second sound of one seed would be the first of the next.
        self._generators = [torch.Generator().manual_seed((seed << 31) + place) for place in places]

    def __call__(self, ids: Tensor, scores: Tensor) -> Tensor:
        logits = scores.float() / self._temperature
        ordered, tokens = logits.softmax(1).sort(dim=1, descending=True, stable=True)
        before = ordered.cumsum(1) - ordered
        # Rounding may bring the sum to 1 before the last token.
        cut = before >= (self._top_p if self._top_p < 1.0 else float("inf"))
        outside = torch.zeros_like(cut).scatter(1, tokens, cut)
        uniform = torch.stack(
            [torch.rand(scores.shape[1], generator=one) for one in self._generators]
        ).to(scores.device)
        noise = -(-uniform.clamp_min(torch.finfo(torch.float32).tiny).log()).log()
        return (logits + noise).masked_fill(outside, _NEVER)
