"""Out-of-fold figures: every clip scored by the model that did not train on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soundseek.errors import DataError
from soundseek.lab.ensembling.figures import figures, positions_in, stacked
from soundseek.lab.evaluate import plain
from soundseek.lab.similarities import Similarities


def out_of_fold(folds: Mapping[str, Similarities]) -> dict[str, Any]:
    """Figures of each fold's validation clips, by name, and of all their queries together.

    A query is ranked among the clips of its own fold: figures are those of a search among so many,
    not among all. Raises `DataError` for fewer than two folds, and for a clip that stands in two.
    """
    if len(folds) < 2:
        raise DataError(
            f"out-of-fold figures need two folds or more, and {len(folds)} was named",
            remedy="name the run of every fold",
        )
    seen: dict[str, str] = {}
    for name, found in folds.items():
        for clip in found.clips:
            if clip.id in seen:
                raise DataError(
                    f"{clip.id} is a validation clip of {seen[clip.id]} and of {name}",
                    remedy="name the folds of one split: data.folds alike, another data.fold each",
                )
            seen[clip.id] = name
    parts = {name: positions_in(found) for name, found in folds.items()}
    whole = stacked(list(parts.values()))
    return {
        "n": int(whole.totals.size),
        "clips": len(seen),
        "metrics": plain(figures(whole)),
        "folds": [
            {
                "path": name,
                "n": int(part.totals.size),
                "clips": len(folds[name].clips),
                "metrics": plain(figures(part)),
            }
            for name, part in parts.items()
        ],
    }
