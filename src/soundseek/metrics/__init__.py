"""Retrieval metrics and confidence intervals in pure NumPy."""

from __future__ import annotations

from soundseek.metrics.intervals import jackknife_interval
from soundseek.metrics.retrieval import (
    Metric,
    Positions,
    average_precision_at,
    median_rank,
    recall_at,
    relevant_positions,
    retrieval_metrics,
)

__all__ = [
    "Metric",
    "Positions",
    "average_precision_at",
    "jackknife_interval",
    "median_rank",
    "recall_at",
    "relevant_positions",
    "retrieval_metrics",
]
