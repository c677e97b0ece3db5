"""Figures of scores that come in blocks of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundseek.errors import DataError
from soundseek.lab.ensembling.blocks import read_block, rows_at_once, spans
from soundseek.lab.similarities import Similarities
from soundseek.metrics.intervals import jackknife_interval
from soundseek.metrics.retrieval import (
    Metric,
    Positions,
    average_precision_at,
    median_rank,
    recall_at,
    relevant_positions,
)

FIGURES: Final[Mapping[str, Callable[[Positions], NDArray[np.float64]]]] = MappingProxyType(
    {
        **{f"R@{k}": partial(recall_at, k=k) for k in (1, 5, 10)},
        **{f"mAP@{k}": partial(average_precision_at, k=k) for k in (10, 16)},
    }
)
"""What each query earns, by the figure that is the mean of it."""


def positions_of(blocks: Iterable[NDArray[np.float32]], relevant: NDArray[np.bool_]) -> Positions:
    """As `relevant_positions` of all blocks, one below the other."""
    parts, start = [], 0
    for block in blocks:
        there = relevant[start : start + len(block)]
        lacking = np.flatnonzero(~there.any(axis=1))
        if lacking.size:
            raise DataError(
                f"query {start + int(lacking[0])} has no relevant clip",
                remedy="leave queries without an answer out before scoring",
            )
        parts.append(relevant_positions(block, there))
        start += len(block)
    if start == 0:
        raise DataError("there are no queries to score")
    widest = max(part.places.shape[1] for part in parts)
    places = np.full((start, widest), np.inf)
    totals = np.concatenate([part.totals for part in parts])
    start = 0
    for part in parts:
        places[start : start + len(part.places), : part.places.shape[1]] = part.places
        start += len(part.places)
    return Positions(places, totals)


def figures(positions: Positions) -> dict[str, Metric]:
    """R@1, R@5, R@10, mAP@10, mAP@16 and medR, as `soundseek.metrics.retrieval_metrics`."""
    found = {name: mean(earned(positions)) for name, earned in FIGURES.items()}
    return found | {"medR": Metric(median_rank(positions), None)}


def figures_of(found: Similarities) -> dict[str, Metric]:
    """Those of a matrix of scores, read in blocks."""
    rows = rows_at_once(len(found.clips))
    blocks = (read_block(found.scores, *span) for span in spans(len(found.queries), rows))
    return figures(positions_of(blocks, found.relevant))


def mean(values: NDArray[np.float64]) -> Metric:
    """A figure: the mean over queries, with its interval where there are several."""
    interval = jackknife_interval(values) if values.size > 1 else None
    return Metric(float(values.mean()), interval)
