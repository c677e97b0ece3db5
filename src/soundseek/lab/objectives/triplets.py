"""Triplet losses: a pair must score higher, by a margin, than its impostors.

S `[n, n]` holds the scores of sound i and text j, groups `[n]` the clip of each pair; N_i are the
pairs of other groups than i's. With the hinge h(x) = max(0, x), every loss here adds up, over the
anchors i, impostor texts in row i and impostor sounds in column i, and divides by n:

    impostor_triplet   h(m + S_ij − S_ii) + h(m + S_ki − S_ii), j and k drawn from N_i
    mean_triplet       mean over N_i of the same: the expectation over the draws
    summed_triplet     sum over N_i
    hardest_triplet    maximum over N_i
    weighted_triplet   polynomials of S_ii and of the hardest impostor's score in place of h

Where every N_i has one member (two pairs), the first four are equal. A batch of one group raises
`DataError`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.lab.objectives.options import number
from soundseek.lab.objectives.pairs import PairBatch
from soundseek.lab.objectives.scores import dot_products, other_group


class Impostors(NamedTuple):
    """Row numbers, int64 `[n]`: the sound that stands in for sound i, the text for text i."""

    audio: Tensor
    text: Tensor


def draw_impostors(groups: Tensor, generator: torch.Generator) -> Impostors:
    """One sound and one text of other groups for each pair, every candidate equally likely.

    `groups` `[n]`; `generator` on the CPU. The two are of different rows where the batch has them
    (as in the baseline). Never loops: raises `DataError` when all pairs are of one group.
    """
    others = other_group(groups).cpu()
    lots = torch.rand(others.shape, generator=generator).masked_fill(~others, -1.0)
    best, rows = lots.topk(2, dim=1)
    text = torch.where(best[:, 1] < 0, rows[:, 0], rows[:, 1])
    return Impostors(rows[:, 0].to(groups.device), text.to(groups.device))


def impostor_triplet(
    audio: Tensor, text: Tensor, impostors: Impostors, margin: float = 1.0
) -> Tensor:
    """1/n Σ_i h(m + a_k·t_i − a_i·t_i) + h(m + a_i·t_j − a_i·t_i) for the impostors k and j of i.

    `audio`, `text` `[n, dimension]`; the score is their dot product, normalised or not. Source:
    baseline of DCASE 2022 Task 6b (Xie et al.), where m = 1.
    """
    own = (audio * text).sum(1)
    other_audio = (audio[impostors.audio] * text).sum(1)
    other_text = (audio * text[impostors.text]).sum(1)
    return (F.relu(margin + other_audio - own) + F.relu(margin + other_text - own)).mean()


def mean_triplet(similarity: Tensor, groups: Tensor, margin: float = 1.0) -> Tensor:
    """1/n Σ_i mean over j in N_i of h(m + S_ij − S_ii) + h(m + S_ji − S_ii).

    `similarity` `[n, n]`, `groups` `[n]`. The expectation of `impostor_triplet` over its draws,
    hence the same gradient with less noise. Source: the "triplet margin ranking loss for each
    anchor audio and text pair" of CAU's report (DCASE 2022 Task 6b, section 2.4.3), which does not
    say how an anchor's impostors are chosen: here all of them, alike.
    """
    others = other_group(groups)
    rows, columns = _hinges(similarity, margin)
    shares = others.to(rows.dtype) / others.sum(1, keepdim=True)
    return ((rows + columns) * shares).sum() / len(groups)


def summed_triplet(similarity: Tensor, groups: Tensor, margin: float = 0.2) -> Tensor:
    """1/n Σ_i Σ_j in N_i h(m + S_ij − S_ii) + h(m + S_ji − S_ii).

    `similarity` `[n, n]` (cosine in Surrey's code), `groups` `[n]`. The "max-margin" loss of
    Surrey's comparison (Mei et al. 2022, On metric learning for audio-text cross-modal retrieval).
    """
    others = other_group(groups)
    rows, columns = _hinges(similarity, margin)
    return ((rows + columns) * others).sum() / len(groups)


def hardest_triplet(similarity: Tensor, groups: Tensor, margin: float = 0.2) -> Tensor:
    """1/n Σ_i max_j in N_i h(m + S_ij − S_ii) + max_j in N_i h(m + S_ji − S_ii).

    `similarity` `[n, n]` (cosine in Surrey's code), `groups` `[n]`. Source: VSE++ (Faghri et al.
    2018), as in Surrey's comparison (Mei et al. 2022).
    """
    own = similarity.diagonal()
    text, audio = _hardest(similarity, other_group(groups))
    return (F.relu(margin + text - own) + F.relu(margin + audio - own)).mean()


def weighted_triplet(similarity: Tensor, groups: Tensor, margin: float = 0.2) -> Tensor:
    """1/n Σ over rows and columns of P(S_ii) + Q(s), s the score of the hardest impostor in it.

    P(p) = h(0.2 p² − 0.7 p + 0.5), Q(s) = h(0.9 s² − 0.4 s + 0.03); a row or column counts only
    where s + m > S_ii. `similarity` `[n, n]`: cosines, for which the polynomials are made;
    `groups` `[n]`. Source: Wei et al. 2020 (Universal weighting metric learning) in Surrey's form
    (Mei et al. 2022). Their code leaves out positives above 1 − 1e-5, whose part is below 4e-6;
    it is kept here.
    """
    own = similarity.diagonal()
    positive = F.relu(0.2 * own.square() - 0.7 * own + 0.5)
    total = similarity.new_zeros(len(groups))
    for hardest in _hardest(similarity, other_group(groups)):
        negative = F.relu(0.9 * hardest.square() - 0.4 * hardest + 0.03)
        total = total + torch.where(hardest + margin > own, positive + negative, 0.0)
    return total.mean()


def _hinges(similarity: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """Of anchor i and impostor j, in row i and column j: impostor texts, impostor sounds."""
    own = similarity.diagonal()[:, None]
    return F.relu(margin + similarity - own), F.relu(margin + similarity.T - own)


def _hardest(similarity: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Score of every anchor's hardest impostor text and of its hardest impostor sound, `[n]`."""
    negatives = similarity.masked_fill(~others, -torch.inf)
    return negatives.max(1).values, negatives.max(0).values


class TripletRandom(nn.Module):
    """`impostor_triplet` with impostors drawn from the batch's generator."""

    def __init__(self, *, margin: float = 1.0) -> None:
        super().__init__()
        self.margin = number("triplet_random", "margin", margin, least=0.0)

    def forward(self, batch: PairBatch) -> Tensor:
        impostors = draw_impostors(batch.groups, batch.generator)
        return impostor_triplet(batch.audio, batch.text, impostors, self.margin)


class TripletRanking(nn.Module):
    """`mean_triplet` of the batch's scores."""

    def __init__(self, *, margin: float = 1.0) -> None:
        super().__init__()
        self.margin = number("triplet_ranking", "margin", margin, least=0.0)

    def forward(self, batch: PairBatch) -> Tensor:
        return mean_triplet(dot_products(batch.audio, batch.text), batch.groups, self.margin)


class TripletSum(nn.Module):
    """`summed_triplet` of the batch's scores."""

    def __init__(self, *, margin: float = 0.2) -> None:
        super().__init__()
        self.margin = number("triplet_sum", "margin", margin, least=0.0)

    def forward(self, batch: PairBatch) -> Tensor:
        return summed_triplet(dot_products(batch.audio, batch.text), batch.groups, self.margin)


class TripletHardest(nn.Module):
    """`hardest_triplet` of the batch's scores."""

    def __init__(self, *, margin: float = 0.2) -> None:
        super().__init__()
        self.margin = number("triplet_hardest", "margin", margin, least=0.0)

    def forward(self, batch: PairBatch) -> Tensor:
        return hardest_triplet(dot_products(batch.audio, batch.text), batch.groups, self.margin)


class TripletWeighted(nn.Module):
    """`weighted_triplet` of the batch's scores."""

    def __init__(self, *, margin: float = 0.2) -> None:
        super().__init__()
        self.margin = number("triplet_weighted", "margin", margin, least=0.0)

    def forward(self, batch: PairBatch) -> Tensor:
        return weighted_triplet(dot_products(batch.audio, batch.text), batch.groups, self.margin)
