"""The first clips of each query put in a new order, all others left behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundseek.errors import DataError
from soundseek.lab.choices import chosen
from soundseek.lab.ensembling.figures import FIGURES
from soundseek.lab.similarities import Similarities
from soundseek.metrics.retrieval import relevant_positions

_Floats = NDArray[np.float32]
_Places = NDArray[np.intp]
WEIGHTS: Final[tuple[float, ...]] = tuple(i / 10 for i in range(11))
"""What `best_weight` tries."""


def first_places(scores: _Floats, k: int) -> _Places:
    """`[queries, min(k, clips)]`: each query's first clips, best first; ties in their order.

    Raises `DataError` for a k below 1.
    """
    if k < 1:
        raise DataError(f"k is {k}: at least one clip is put in a new order")
    most = min(k, scores.shape[1])
    return np.stack([np.argsort(-row, kind="stable")[:most] for row in scores])


def reordered(
    found: Similarities, places: _Places, logits: _Floats, weight: float = 1.0
) -> Similarities:
    """`found` with the clips at `places` `[queries, k]` ordered by `logits` of that shape.

    `weight` w mixes: w · logits + (1 − w) · scores, both brought to mean 0 and deviation 1 over the
    k clips of the query; 1 is the logits alone. The new scores of the k rise in even steps from
    that of the next clip, which none of them ties with, up to the old best; equal clips stay
    equal. Other scores stay; the scores are no products any more, so embeddings are dropped.
    Raises `DataError` for a weight outside 0 … 1, and logits that are not finite.
    """
    if not 0.0 <= weight <= 1.0:
        raise DataError(f"the weight of the matching head is {weight}", remedy="give 0 to 1")
    if not np.isfinite(logits).all():
        raise DataError("the matching head gave a logit that is not finite")
    scores = np.array(found.scores, np.float32)
    own = np.take_along_axis(scores, places, axis=1)
    mixed = weight * _standard(logits) + (1.0 - weight) * _standard(own)
    others = np.array(scores)
    np.put_along_axis(others, places, -np.inf, axis=1)
    next_best = others.max(axis=1)
    for row, (values, behind, best) in enumerate(
        zip(mixed, next_best, own.max(axis=1), strict=True)
    ):
        _, level = np.unique(values, return_inverse=True)
        base = float(behind if np.isfinite(behind) else own[row].min())
        # Steps that float32 can tell apart, even where all scores are one.
        least = 4.0 * float(np.spacing(np.float32(max(abs(base), abs(float(best))))))
        step = max((float(best) - base) / (int(level.max()) + 1), least)
        scores[row, places[row]] = (base + (level + 1) * step).astype(np.float32)
    return Similarities(found.queries, found.clips, scores, found.relevant)


def best_weight(
    found: Similarities, places: _Places, logits: _Floats, figure: str = "mAP@10"
) -> tuple[float, float]:
    """(weight, figure): of `WEIGHTS`, the first that is best, by the queries of `found`."""
    earned = chosen(FIGURES, figure, "figure")

    def value(weight: float) -> float:
        scores = reordered(found, places, logits, weight).scores
        return float(earned(relevant_positions(scores, found.relevant)).mean())

    return _first_best(WEIGHTS, value)


def _first_best(choices: Sequence[float], value: Callable[[float], float]) -> tuple[float, float]:
    values = [value(choice) for choice in choices]
    best = max(range(len(choices)), key=lambda i: (values[i], -i))
    return choices[best], values[best]


def _standard(values: _Floats) -> NDArray[np.float64]:
    wide = values.astype(np.float64)
    centred = wide - wide.mean(axis=1, keepdims=True)
    spread = wide.std(axis=1, keepdims=True)
    result: NDArray[np.float64] = np.divide(
        centred, spread, out=np.zeros_like(centred), where=spread > 0
    )
    return result
