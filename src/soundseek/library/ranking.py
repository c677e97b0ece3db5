"""From scores to an order: the best k, and the fusion of the sounds' order with the names'."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IndexArray = npt.NDArray[np.int64]

RANK_OFFSET = 60
"""The constant k0 of reciprocal rank fusion: how little the first ranks differ."""

_LEAST_DEPTH, _MOST_DEPTH = 10, 100
_MOST_NAMES = 1000


class Ranked(NamedTuple):
    """One place of a ranking: which `item` of the scores, the `score` it is ranked by, and its
    `name_rank` (None if its name does not match)."""

    item: int
    score: float
    name_rank: int | None


def best(scores: npt.NDArray[np.floating], k: int) -> IndexArray:
    """Return the indices of the `k` highest of `scores` [n], best first; all if k ≥ n.

    Of equal scores the first in the array comes first, so that the best k of any k' > k are those
    of k.
    """
    if k < scores.size:
        # All that equal the k-th stay for the moment, or chance would choose among them.
        lowest = np.partition(scores, scores.size - k)[scores.size - k]
        chosen = np.flatnonzero(scores >= lowest)
    else:
        chosen = np.arange(scores.size)
    return chosen[np.argsort(-scores[chosen], kind="stable")][:k].astype(np.int64)


def by_sound(scores: FloatArray, k: int) -> list[Ranked]:
    """Rank by the scores [n] alone."""
    return [Ranked(int(index), float(scores[index]), None) for index in best(scores, k)]


def fuse(scores: FloatArray, named: IndexArray, coverage: FloatArray, k: int) -> list[Ranked]:
    """Rank by sound and name: reciprocal rank fusion, guarded against weak evidence.

    `scores` [n] rate every sound; `named` [m] are the indices of those whose names match the
    query, and `coverage` [m] says how much of it they match, above 0 up to 1. Names rank by
    coverage, of equal ones the better sound first. A sound is worth 1/(60 + its rank), a name
    coverage/(60 + its rank): one word of four is no match.

    Where sound and name agree, their worths are added up: where the sound is among the best tenth
    (at least 10, at most 100). Otherwise the greater one counts alone, and both orders are dealt
    out in turn: neither a hundred files called "rain" nor a hundred sounds that resemble it
    can push the other's best out of sight. Plain fusion, which always adds, would put any match of
    the name before the best sound, since in a small library every sound has a good rank.

    Source: Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet and
    individual rank learning methods", SIGIR 2009.
    """
    depth = min(max(_LEAST_DEPTH, scores.size // 10), _MOST_DEPTH)
    order = best(scores, max(k, depth))
    worth = {int(index): 1 / (RANK_OFFSET + rank) for rank, index in enumerate(order, start=1)}
    agreeing = {int(index) for index in order[:depth]}

    name_order = np.lexsort((named, -scores[named], -coverage))[:_MOST_NAMES]
    name_ranks: dict[int, int] = {}
    for rank, position in enumerate(name_order, start=1):
        index = int(named[position])
        name_worth = float(coverage[position]) / (RANK_OFFSET + rank)
        sound_worth = worth.get(index, 0.0)
        name_ranks[index] = rank
        worth[index] = (
            sound_worth + name_worth if index in agreeing else max(sound_worth, name_worth)
        )
    # Sounds beyond `order` without a name cannot be among the best k: k others are worth more.
    ranked = sorted(worth, key=lambda index: (-worth[index], -float(scores[index]), index))
    return [Ranked(index, worth[index], name_ranks.get(index)) for index in ranked[:k]]
