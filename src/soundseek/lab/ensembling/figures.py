"""Figures of scores that come in blocks of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundseek.errors import DataError
from soundseek.lab.ensembling.blocks import read_block, rows_at_once, spans
from soundseek.lab.similarities import Similarities
from soundseek.metrics.retrieval import (
    Metric,
    Positions,
    average_precision_at,
    mean,
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
    return stacked(parts)


def stacked(parts: Sequence[Positions]) -> Positions:
    """Positions of several sets of queries, one below the other."""
    widest = max(part.places.shape[1] for part in parts)
    padded = [
        np.pad(part.places, ((0, 0), (0, widest - part.places.shape[1])), constant_values=np.inf)
        for part in parts
    ]
    return Positions(np.concatenate(padded), np.concatenate([part.totals for part in parts]))


def figures(positions: Positions) -> dict[str, Metric]:
    """R@1, R@5, R@10, mAP@10, mAP@16 and medR, as `soundseek.metrics.retrieval_metrics`."""
    found = {name: mean(earned(positions)) for name, earned in FIGURES.items()}
    return found | {"medR": Metric(median_rank(positions), None)}


def figures_of(found: Similarities) -> dict[str, Metric]:
    """Those of a matrix of scores, read in blocks."""
    return figures(positions_in(found))


def positions_in(found: Similarities) -> Positions:
    """Where each query's relevant clips stand."""
    rows = rows_at_once(len(found.clips))
    blocks = (read_block(found.scores, *span) for span in spans(len(found.queries), rows))
    return positions_of(blocks, found.relevant)
