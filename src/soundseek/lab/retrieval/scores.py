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
    listed = min(_LISTED, len(names))
    # Row by row: the order of all clips takes twice the memory of the scores.
    order = (np.argsort(-row, kind="stable")[:listed] for row in found.scores)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["caption", *(f"file_name_{i + 1}" for i in range(listed))])
        for query, places in zip(found.queries, order, strict=True):
            writer.writerow([query, *(names[i] for i in places)])
