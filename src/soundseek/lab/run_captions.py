"""captions.csv of a captioning run: what it wrote of each clip of its test set, and what people
wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soundseek.errors import DataError
from soundseek.lab.run_folder import CAPTIONS
from soundseek.metrics.captions import CaptionEvaluation, read_captions

_REMEDY: Final = "remove it and let the run write again: soundseek train RECIPE --out RUN"


@dataclass(frozen=True)
class RunCaptions:
    """By clip id (as `read_captions` has it), in the file's order: the run's caption, and the
    references."""

    predictions: Mapping[str, str]
    references: Mapping[str, Sequence[str]]


def read_run_captions(folder: Path) -> RunCaptions | None:
    """captions.csv of a run's folder, None where it is not there. Raises `DataError` where it is
    damaged."""
    path = folder / CAPTIONS
    if not path.is_file():
        return None
    try:
        table = read_captions(path)
    except DataError as error:
        raise DataError(f"{path} is damaged: {error.message}", remedy=_REMEDY) from error
    if table.predictions is None or table.references is None:
        raise DataError(f"{path} is damaged: it lacks a side", remedy=_REMEDY)
    return RunCaptions(table.predictions, table.references)


def caption_figures(found: CaptionEvaluation) -> dict[str, Any]:
    """Figures of captions, ready for JSON: `clips`, `n`, `metrics` with 95 % intervals, and why
    others are `missing`."""
    return {
        "clips": found.n,
        "n": found.n,
        "metrics": {
            name: {"value": one.value, "ci95": None if one.ci95 is None else list(one.ci95)}
            for name, one in found.metrics.items()
        },
        "missing": dict(found.missing),
    }
