"""Predictions of a system, as files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from soundseek.lab.similarities import Similarities

_LISTED = 10


def write_predictions(found: Similarities, path: Path) -> None:
    """The first ten files of every query, in the layout of the DCASE challenges 2022 to 2024."""
    names = [Path(clip.path).name for clip in found.clips]
    order = np.argsort(-found.scores, axis=1, kind="stable")[:, :_LISTED]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["caption", *(f"file_name_{i + 1}" for i in range(order.shape[1]))])
        for query, places in zip(found.queries, order, strict=True):
            writer.writerow([query, *(names[i] for i in places)])
