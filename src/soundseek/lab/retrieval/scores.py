"""Figures of a retrieval model on clips with captions, and its predictions."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundseek.lab.data.manifest import Clip
from soundseek.lab.evaluate import queries_of
from soundseek.metrics.retrieval import Metric, retrieval_metrics

_Floats = NDArray[np.float32]
_LISTED = 10


@dataclass(frozen=True)
class Similarities:
    """`scores` `[queries, clips]`; `relevant` bool of that shape; the texts and the clips."""

    queries: list[str]
    clips: list[Clip]
    scores: _Floats
    relevant: NDArray[np.bool_]

    def metrics(self) -> dict[str, Metric]:
        """Text → audio retrieval figures with 95 % intervals."""
        return retrieval_metrics(self.scores, self.relevant)


def similarities(
    clips: Sequence[Clip], audio: _Floats, texts: Sequence[str], text: _Floats
) -> Similarities:
    """Every caption of the clips as a query; `text` `[texts, dimension]` holds their vectors."""
    queries, relevant = queries_of(clips)
    row = {one: i for i, one in enumerate(texts)}
    chosen = text[[row[query] for query in queries]]
    return Similarities(queries, list(clips), chosen @ audio.T, relevant)


def write_predictions(found: Similarities, path: Path) -> None:
    """The first ten files of every query, in the layout of the DCASE challenges 2022 to 2024."""
    names = [Path(clip.path).name for clip in found.clips]
    order = np.argsort(-found.scores, axis=1, kind="stable")[:, :_LISTED]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["caption", *(f"file_name_{i + 1}" for i in range(order.shape[1]))])
        for query, places in zip(found.queries, order, strict=True):
            writer.writerow([query, *(names[i] for i in places)])
