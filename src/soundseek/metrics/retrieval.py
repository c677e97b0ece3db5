"""Retrieval metrics over a score matrix: R@k, mAP@k and the median rank.

The tie rule is pessimistic: an item that is not relevant and has the same score as a relevant
one counts as ranked before it. Constant scores therefore earn the worst result, not a lucky one,
and the order of the items never matters. Relevant items that tie with each other take
consecutive places.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from soundseek.errors import DataError
from soundseek.metrics.intervals import jackknife_interval

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# How many scores are compared at once: few enough to stay near the processor.
_COMPARISONS = 1_000_000


@dataclass(frozen=True)
class Metric:
    """A figure and its 95 % jackknife interval, which is None where it is not defined."""

    value: float
    ci95: tuple[float, float] | None


@dataclass(frozen=True)
class Positions:
    """Where each query's relevant items stand in its ranking.

    `places` float64 [queries, most relevant of any query]: ascending places from 1, filled up
    with infinity, which also stands for a relevant item that was not returned at all.
    `totals` int64 [queries]: how many items are relevant to each query, at least 1.
    """

    places: FloatArray
    totals: npt.NDArray[np.int64]


def relevant_positions(
    scores: npt.ArrayLike, relevant: npt.NDArray[Any] | Sequence[int] | Sequence[Iterable[int]]
) -> Positions:
    """Rank every query's items by falling score and return the places of the relevant ones.

    `scores` float [queries, items]. `relevant` is a bool matrix of the same shape, or one item
    index a query, or one collection of item indices a query.

    Raises `DataError` if a score is NaN, if shapes disagree, if an index is out of range, or if
    a query has no relevant item: such a query has no defined score, so leave it out on purpose.
    """
    score_matrix = _score_matrix(scores)
    is_relevant = _relevance_matrix(relevant, score_matrix.shape)
    totals = is_relevant.sum(axis=1, dtype=np.int64)
    if (totals == 0).any():
        lacking = np.flatnonzero(totals == 0)
        raise DataError(
            f"{lacking.size} of {totals.size} queries have no relevant item, "
            f"the first is query {int(lacking[0])}",
            remedy="leave these queries out before scoring",
        )
    query_of, item_of = np.nonzero(is_relevant)
    relevant_scores = score_matrix[query_of, item_of]
    by_score = np.lexsort((-relevant_scores, query_of))
    query_of, relevant_scores = query_of[by_score], relevant_scores[by_score]
    first_of_query = np.cumsum(totals) - totals
    order = np.arange(query_of.size) - first_of_query[query_of]

    before = _irrelevant_at_least(score_matrix, is_relevant, query_of, relevant_scores)

    places = np.full((totals.size, int(totals.max(initial=0))), np.inf)
    places[query_of, order] = order + 1 + before
    return Positions(places, totals)


def recall_at(positions: Positions, k: int) -> FloatArray:
    """R@k [queries]: 1 if any of the query's relevant items is among the first k, else 0.

    The field's rule where several items are relevant, as in audio → text retrieval with five
    captions a clip (Mei et al. 2022); with one relevant item no other rule differs from it.
    """
    _check_k(k)
    return np.asarray(positions.places[:, 0] <= k, dtype=np.float64)


def average_precision_at(positions: Positions, k: int) -> FloatArray:
    """AP@k [queries]: Σ over relevant places p_i <= k of i / p_i, over all relevant items.

    i counts the relevant items up to that place, so i / p_i is the precision there. The divisor
    is the number of all relevant items, even if it exceeds k (as DCASE computes it). With one
    relevant item this is 1 / rank up to rank k and 0 beyond.
    """
    _check_k(k)
    order = np.arange(1, positions.places.shape[1] + 1)
    precision = np.where(positions.places <= k, order / positions.places, 0.0)
    return np.asarray(precision.sum(axis=1) / positions.totals, dtype=np.float64)


def median_rank(positions: Positions) -> float:
    """Return the median over queries of the place of the first relevant item, from 1."""
    return float(np.median(positions.places[:, 0]))


def retrieval_metrics(
    scores: npt.ArrayLike,
    relevant: npt.NDArray[Any] | Sequence[int] | Sequence[Iterable[int]],
    ks: Sequence[int] = (1, 5, 10),
    map_ks: Sequence[int] = (10, 16),
) -> dict[str, Metric]:
    """Return "R@k" for `ks`, "mAP@k" for `map_ks` and "medR", as fractions from 0 to 1.

    Arguments and errors are those of `relevant_positions`; k may exceed the number of items.
    The intervals are jackknife intervals over queries; "medR" has none (the jackknife does not
    hold for a median), and neither has a single query.
    """
    positions = relevant_positions(scores, relevant)
    metrics = {name: mean(each) for name, each in per_query(positions, ks, map_ks).items()}
    metrics["medR"] = Metric(median_rank(positions), None)
    return metrics


def per_query(
    positions: Positions, ks: Sequence[int] = (1, 5, 10), map_ks: Sequence[int] = (10, 16)
) -> dict[str, FloatArray]:
    """Return "R@k" for `ks` and "mAP@k" for `map_ks`, each `[queries]`: what the means are of.

    Raises `DataError` if there are no queries or a k is below 1.
    """
    if positions.totals.size == 0:
        raise DataError("there are no queries to score")
    values = {f"R@{k}": recall_at(positions, k) for k in ks}
    return values | {f"mAP@{k}": average_precision_at(positions, k) for k in map_ks}


def mean(values: FloatArray) -> Metric:
    """Return the mean of one value a query with its interval; a single query has none."""
    interval = jackknife_interval(values) if values.size > 1 else None
    return Metric(float(values.mean()), interval)


def _check_k(k: int) -> None:
    if k < 1:
        raise DataError(f"k is {k}: the first k items need k to be at least 1")


def _score_matrix(scores: npt.ArrayLike) -> npt.NDArray[np.floating]:
    matrix = np.asarray(scores)
    if matrix.ndim != 2:
        raise DataError(f"scores must be a matrix [queries, items], got shape {matrix.shape}")
    if not np.issubdtype(matrix.dtype, np.floating):
        matrix = matrix.astype(np.float64)
    if np.isnan(matrix).any():
        query, item = (int(index) for index in np.argwhere(np.isnan(matrix))[0])
        raise DataError(f"the score of query {query} and item {item} is NaN")
    return matrix


def _relevance_matrix(
    relevant: npt.NDArray[Any] | Sequence[int] | Sequence[Iterable[int]], shape: tuple[int, ...]
) -> BoolArray:
    if isinstance(relevant, np.ndarray) and relevant.dtype == np.bool_:
        if relevant.shape != shape:
            raise DataError(f"relevance has shape {relevant.shape}, but scores have {shape}")
        return relevant
    n_queries, n_items = shape
    if len(relevant) != n_queries:
        raise DataError(f"relevance lists {len(relevant)} queries, but scores have {n_queries}")
    matrix = np.zeros((n_queries, n_items), dtype=np.bool_)
    for query, items in enumerate(relevant):
        indices = [items] if isinstance(items, int | np.integer) else list(items)
        for index in indices:
            if isinstance(index, bool | np.bool_):
                raise DataError(
                    f"relevance of query {query} holds true and false in a list",
                    remedy="give a NumPy bool array [queries, items], or item indices",
                )
            if not 0 <= index < n_items:
                raise DataError(
                    f"query {query} names item {index} as relevant, "
                    f"but items go from 0 to {n_items - 1}"
                )
            matrix[query, index] = True
    return matrix


def _irrelevant_at_least(
    scores: npt.NDArray[np.floating],
    is_relevant: BoolArray,
    query_of: npt.NDArray[np.intp],
    thresholds: npt.NDArray[np.floating],
) -> npt.NDArray[np.int64]:
    """For each i, count the irrelevant items of `query_of[i]` that score >= `thresholds[i]`."""
    counts = np.empty(thresholds.size, dtype=np.int64)
    is_other = ~is_relevant
    chunk = max(1, _COMPARISONS // max(1, scores.shape[1]))
    for start in range(0, thresholds.size, chunk):
        part = slice(start, start + chunk)
        at_least = scores[query_of[part]] >= thresholds[part, None]
        at_least &= is_other[query_of[part]]
        counts[part] = np.count_nonzero(at_least, axis=1)
    return counts
