"""The queries whose first relevant clip ranks worst, and what came instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundseek.lab.similarities import Similarities, Sound

LISTED: Final = 50
_INSTEAD: Final = 3


@dataclass(frozen=True)
class Heard:
    """A clip and its score for a query."""

    clip: Sound
    score: float


@dataclass(frozen=True)
class Worst:
    """`right` is the best of `relevant` clips, at `rank`; `instead` came before it, best first."""

    query: str
    rank: int
    relevant: int
    right: Heard
    instead: tuple[Heard, ...]


def worst_queries(found: Similarities, ranks: NDArray[np.int64], most: int = LISTED) -> list[Worst]:
    """The worst first, in the queries' order where they are equal; those whose first clip is right
    are not among them. `ranks`: places of the first relevant clips, `[queries]`."""
    order = np.argsort(-ranks, kind="stable")[:most]
    return [_worst(found, int(query), int(ranks[query])) for query in order if ranks[query] > 1]


def _worst(found: Similarities, query: int, rank: int) -> Worst:
    scores, relevant = np.asarray(found.scores[query]), found.relevant[query]

    def heard(clip: int) -> Heard:
        return Heard(found.clips[clip], float(scores[clip]))

    right = int(np.argmax(np.where(relevant, scores, -np.inf)))
    others = np.flatnonzero(~relevant)
    first = others[np.argsort(-scores[others], kind="stable")][: min(_INSTEAD, rank - 1)]
    return Worst(
        found.queries[query],
        rank,
        int(relevant.sum()),
        heard(right),
        tuple(heard(int(clip)) for clip in first),
    )
