"""Figures of similarities: both directions, recall by rank, and how far apart the scores lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from soundseek.lab.evaluate import plain
from soundseek.lab.similarities import Similarities
from soundseek.metrics import Positions, jackknife_interval, recall_at, retrieval_metrics

_Floats = NDArray[np.float64]
_Counts = NDArray[np.int64]
_FINE: Final = 2000
_ROWS: Final = 256


def measured(found: Similarities) -> dict[str, Any]:
    """Figures with 95 % intervals, ready for JSON: `clips`, `n` queries, `metrics` of text → audio,
    and `audio_to_text` with its own `n` and `metrics`.

    In audio → text every clip is a query and its captions are relevant; clips that no query asks
    for are left out.
    """
    asked = np.asarray(found.relevant).any(axis=0)
    across = np.asarray(found.scores).T[asked], found.relevant.T[asked]
    return {
        "clips": len(found.clips),
        "n": len(found.queries),
        "metrics": plain(found.metrics()),
        "audio_to_text": {"n": int(asked.sum()), "metrics": plain(retrieval_metrics(*across))},
    }


def first_ranks(positions: Positions) -> _Counts:
    """Place from 1 of each query's first relevant clip, int64 `[queries]`."""
    return positions.places[:, 0].astype(np.int64)


@dataclass(frozen=True)
class RecallByRank:
    """R@k for `k` int64 `[n]`, its 95 % interval, and what chance would find."""

    k: _Counts
    recall: _Floats
    low: _Floats
    high: _Floats
    chance: _Floats


def recall_by_rank(positions: Positions, clips: int, most: int = 100) -> RecallByRank:
    """R@k among `clips` for k from 1 to `most`, or to their number."""
    k = np.arange(1, min(most, clips) + 1)
    hits = [recall_at(positions, int(one)) for one in k]
    recall = np.array([one.mean() for one in hits])
    bounds = [jackknife_interval(one) if one.size > 1 else (0.0, 1.0) for one in hits]
    low, high = np.clip(np.array(bounds), 0.0, 1.0).T
    return RecallByRank(k, recall, low, high, chance_recall(positions.totals, clips, k))


def chance_recall(totals: _Counts, clips: int, k: _Counts) -> _Floats:
    """Expected R@k of a random order: 1 - C(N - m, k) / C(N, k), the mean over queries that have m
    (`totals`) of N `clips` relevant; `k` ascends from 1 without gaps."""
    drawn = np.arange(len(k))
    missed = np.clip(clips - totals[:, None] - drawn, 0, None) / (clips - drawn)
    return np.asarray(1.0 - np.cumprod(missed, axis=1).mean(axis=0), dtype=np.float64)


@dataclass(frozen=True)
class Spread:
    """How many pairs score how much: counts `[bins]` between `edges` `[bins + 1]`.

    `threshold`: where as large a share of relevant pairs lies below as of others at or above;
    `error` is that share. Both None where there are no others.
    """

    edges: _Floats
    relevant: _Counts
    others: _Counts
    threshold: float | None
    error: float | None

    def coarser(self, bins: int) -> tuple[_Floats, _Floats, _Floats]:
        """(edges, relevant, others) in `bins` bins, as densities."""
        step = len(self.relevant) // bins
        edges = self.edges[::step]
        width = edges[1] - edges[0]

        def density(counts: _Counts) -> _Floats:
            summed = counts.reshape(bins, step).sum(axis=1)
            return np.asarray(summed / max(1, summed.sum()) / width, dtype=np.float64)

        return edges, density(self.relevant), density(self.others)


def spread(found: Similarities) -> Spread:
    """The finite scores of all pairs, in 2,000 bins; read in parts."""
    bounds = [(part.min(), part.max()) for part, _ in _parts(found) if part.size]
    low = float(min((one for one, _ in bounds), default=0.0))
    high = float(max((one for _, one in bounds), default=1.0))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _FINE + 1)
    relevant, others = np.zeros(_FINE, np.int64), np.zeros(_FINE, np.int64)
    for scores, is_relevant in _parts(found):
        relevant += np.histogram(scores[is_relevant], edges)[0]
        others += np.histogram(scores[~is_relevant], edges)[0]
    if not relevant.sum() or not others.sum():
        return Spread(edges, relevant, others, None, None)
    missed = np.concatenate([[0], np.cumsum(relevant)]) / relevant.sum()
    mistaken = 1.0 - np.concatenate([[0], np.cumsum(others)]) / others.sum()
    at = int(np.argmax(missed >= mistaken))
    return Spread(
        edges, relevant, others, float(edges[at]), float((missed[at] + mistaken[at]) / 2.0)
    )


def _parts(found: Similarities) -> Iterator[tuple[_Floats, NDArray[np.bool_]]]:
    for start in range(0, len(found.queries), _ROWS):
        scores = np.asarray(found.scores[start : start + _ROWS], dtype=np.float64)
        finite = np.isfinite(scores)
        yield scores[finite], found.relevant[start : start + _ROWS][finite]
