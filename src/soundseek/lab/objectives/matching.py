"""Audio-caption matching: does this caption, read while listening, belong to this sound?"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.lab.encodings import Tokens
from soundseek.lab.objectives.fusing import fusing_encoder
from soundseek.lab.objectives.options import number, whole
from soundseek.lab.objectives.pairs import PairBatch
from soundseek.lab.objectives.scores import at_least_single, dot_products, other_group
from soundseek.lab.objectives.table import ModelFacts
from soundseek.lab.objectives.triplets import Impostors


def draw_hard_negatives(
    similarity: Tensor, groups: Tensor, generator: torch.Generator, temperature: float = 0.07
) -> Impostors:
    """One sound and one text of other groups for each pair, likelier the more alike they are.

    `similarity` `[n, n]`, row = sound, column = text; `groups` `[n]`; `generator` on the CPU. Text
    j for sound i with probability softmax_j(S_ij / temperature) over the negatives of row i, sound
    k for text i with softmax_k(S_ki / temperature) over those of column i. No gradient. Raises
    `DataError` when all pairs are of one group. Source: ALBEF (Li et al. 2021, section 3.2).
    """
    same = ~other_group(groups).cpu()
    logits = similarity.detach().float().cpu() / temperature
    text, audio = (
        torch.multinomial(rows.masked_fill(same, -torch.inf).softmax(1), 1, generator=generator)
        for rows in (logits, logits.T)
    )
    return Impostors(audio[:, 0].to(groups.device), text[:, 0].to(groups.device))


def matching_loss(matched: Tensor, mismatched: Tensor) -> Tensor:
    """Binary cross-entropy, mean over the pairs: −log σ(matched), −log(1 − σ(mismatched)).

    Logits `[n]` of pairs that belong together and `[m]` of pairs that do not. Source: A-CML of
    Samsung's report (DCASE 2024 Task 8, eq. 2), with m = 2n as in ALBEF. Where the other losses see
    an embedding each, this one has seen both sides together.
    """
    return F.softplus(at_least_single(torch.cat([-matched, mismatched]))).mean()


class Matching(nn.Module):
    """`matching_loss` of the batch's plain pairs and of two hard impostor pairs for each.

    The text encoder reads the caption again, with the sound's sequence as cross-attention states;
    a perceptron on the state of its first token says yes or no. Also a re-ranker: `match_logits`.
    """

    def __init__(
        self,
        *,
        model_facts: ModelFacts,
        temperature: float = 0.07,
        hidden: int | None = None,
    ) -> None:
        """`temperature`: of the draw of impostors, large for a uniform one; `hidden`: width of the
        perceptron, that of the text encoder by default."""
        super().__init__()
        # In a tuple: its weights belong to the model, not to this term's state dict.
        self._text_encoder = (fusing_encoder("matching", model_facts),)
        self.temperature = number("matching", "temperature", temperature, above=0.0)
        width = model_facts.text_width
        inner = width if hidden is None else whole("matching", "hidden", hidden, least=1)
        self.head = nn.Sequential(
            nn.Linear(width, inner), nn.GELU(), nn.LayerNorm(inner), nn.Linear(inner, 1)
        )

    def match_logits(self, tokens: Tokens, audio_sequence: Tensor, audio_mask: Tensor) -> Tensor:
        """Logit `[n]` that caption i belongs to sound i.

        `tokens` `[n, tokens]`, `audio_sequence` `[n, steps, audio width]`, `audio_mask` bool
        `[n, steps]`.
        """
        fused = self._text_encoder[0].fuse(tokens.ids, tokens.mask, audio_sequence, audio_mask)
        logits: Tensor = self.head(fused[:, 0]).squeeze(-1)
        return logits

    def forward(self, batch: PairBatch) -> Tensor:
        n = batch.plain
        groups = batch.groups[:n]
        similarity = dot_products(batch.audio[:n], batch.text[:n])
        impostors = draw_hard_negatives(similarity, groups, batch.generator, self.temperature)
        own = batch.own_rows
        texts = torch.cat([own, impostors.text[own], own])
        sounds = torch.cat([own, own, impostors.audio[own]])
        logits = self.match_logits(
            Tokens(batch.tokens.ids[texts], batch.tokens.mask[texts]),
            batch.audio_encoding.sequence[sounds],
            batch.audio_encoding.mask[sounds],
        )
        return matching_loss(logits[: len(own)], logits[len(own) :])
