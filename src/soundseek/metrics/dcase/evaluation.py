"""The figures of one system, and of two against each other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from soundseek.errors import DataError
from soundseek.metrics.retrieval import Metric, Positions, mean, median_rank, per_query
from soundseek.metrics.significance import PairedTest, paired_test

RECALLS = (1, 5, 10)
PRECISIONS = (10, 16)


@dataclass(frozen=True)
class Evaluation:
    """Figures by name, "R@1" to "mAP@16" and "medR".

    Attributes:
        n: how many queries.
        values: one value `[n]` a query, of which the figure is the mean; "medR" has none.
        metrics: the figures with their intervals.
    """

    n: int
    values: dict[str, npt.NDArray[np.float64]]
    metrics: dict[str, Metric]

    @property
    def left_out(self) -> list[str]:
        """Which of the usual metrics the known places do not give."""
        usual = [*(f"R@{k}" for k in RECALLS), *(f"mAP@{k}" for k in PRECISIONS), "medR"]
        return [name for name in usual if name not in self.metrics]


def evaluated(positions: Positions, depth: int | None = None) -> Evaluation:
    """Return the figures that follow from `positions`.

    Where only the first `depth` places of each ranking are known, a metric that looks further is
    left out: mAP@16 of ten names, and medR if the median query has no relevant item among them.
    """
    recalls = [k for k in RECALLS if depth is None or k <= depth]
    precisions = [k for k in PRECISIONS if depth is None or k <= depth]
    values = per_query(positions, recalls, precisions)
    metrics = {name: mean(each) for name, each in values.items()}
    if math.isfinite(median := median_rank(positions)):
        metrics["medR"] = Metric(median, None)
    return Evaluation(int(positions.totals.size), values, metrics)


def compared(first: Evaluation, second: Evaluation, seed: int) -> dict[str, PairedTest]:
    """Test every metric that both systems have, each with a generator of its own from `seed`.

    Both must be of the same queries in the same order. Raises `DataError` if their number differs
    or no metric is common to both.
    """
    names = [name for name in first.values if name in second.values]
    if not names:
        raise DataError("the two systems have no metric in common", remedy="rank more files")
    return {
        name: paired_test(first.values[name], second.values[name], np.random.default_rng(seed))
        for name in names
    }
