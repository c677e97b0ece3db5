"""Retrieval metrics, confidence intervals and significance in pure NumPy."""

from __future__ import annotations

from soundseek.metrics.intervals import jackknife_interval
from soundseek.metrics.retrieval import (
    Metric,
    Positions,
    average_precision_at,
    median_rank,
    per_query,
    recall_at,
    relevant_positions,
    retrieval_metrics,
)
from soundseek.metrics.significance import PairedTest, paired_test

__all__ = [
    "Metric",
    "PairedTest",
    "Positions",
    "average_precision_at",
    "jackknife_interval",
    "median_rank",
    "paired_test",
    "per_query",
    "recall_at",
    "relevant_positions",
    "retrieval_metrics",
]
