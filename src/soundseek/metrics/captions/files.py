"""Files of captions and of their scores.

One table may hold both sides, or each has its own. Columns may stand in any order:

- the clip: `id` or `file_name`;
- what a system said: `prediction`, `caption_predicted` (DCASE 2022, task 6a) or `caption`;
- what people said: `reference_1`, `reference_2`, … or `caption_1`, … (Clotho). An empty cell is no
  reference.

Commas or tabs separate the columns; UTF-8, with or without a byte order mark, any line ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundseek.errors import DataError
from soundseek.metrics.captions.evaluation import CaptionEvaluation
from soundseek.metrics.dcase.tables import Rows, name_key, open_table, shown, write_table

_CLIP = ("id", "file_name")
_PREDICTION = ("prediction", "caption_predicted", "caption")
_REFERENCE = re.compile(r"(?:reference|caption)_\d+")
_LAYOUTS = (
    "columns are id (or file_name), prediction (or caption_predicted, or caption), and "
    "reference_1, reference_2, … (or caption_1, caption_2, …)"
)


@dataclass(frozen=True)
class CaptionTable:
    """What a file holds, by clip id in the file's order; None for a side that it lacks."""

    path: Path
    predictions: dict[str, str] | None
    references: dict[str, list[str]] | None


def read_captions(path: str | Path) -> CaptionTable:
    """Read a table of predictions, of references, or of both.

    Raises `DataError` with file, row and value for an unknown or missing column, an empty or
    repeated id, a clip without a reference, and what is no table in UTF-8; `OSError`.
    """
    path = Path(path)
    with open_table(path, tabs=True) as rows:
        clip, prediction, references = _columns(rows)
        predicted: dict[str, str] = {}
        said: dict[str, list[str]] = {}
        row_of: dict[str, int] = {}
        for number, cells in rows:
            key = name_key(cells[clip])
            if not key:
                raise DataError(f"{path}, row {number}: there is no {rows.header[clip]}")
            if key in row_of:
                raise DataError(
                    f"{path}, row {number}: row {row_of[key]} is of the clip {shown(key)}, too",
                    remedy="give each clip one row, and its references columns of that row",
                )
            row_of[key] = number
            if prediction is not None:
                predicted[key] = cells[prediction]
            if references:
                said[key] = [cells[place] for place in references if cells[place].strip()]
                if not said[key]:
                    raise DataError(
                        f"{path}, row {number}: the clip {shown(key)} has no reference",
                        remedy="give it at least one, or leave the clip out",
                    )
        if not row_of:
            raise DataError(f"{path} has a header and no rows", remedy="give one row a clip")
    return CaptionTable(
        path, None if prediction is None else predicted, said if references else None
    )


def read_scores(path: str | Path, metric: str) -> dict[str, float]:
    """Read a metric's value for every clip, made elsewhere.

    A table has the columns `id` (or `file_name`) and `metric` (others are passed over); a JSON file
    is `{metric: {"per_clip": {id: value}}}`, as the scores of several metrics are kept.

    Raises `DataError` with file and value for what does not fit, and `OSError`.
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        cells = _json_scores(path, metric)
    else:
        cells = {}
        with open_table(path, tabs=True) as rows:
            clip = _one(rows, _CLIP, "the clip")
            place = _one(rows, (metric,), "its score")
            for number, row in rows:
                key = name_key(row[clip])
                if key in cells:
                    raise DataError(f"{path}, row {number}: the clip {shown(key)} is there twice")
                cells[key] = row[place]
    scores = {}
    for key, cell in cells.items():
        try:
            scores[key] = float(cell)
        except (TypeError, ValueError):
            raise DataError(
                f"{path}: {metric} of the clip {shown(key)} is {shown(str(cell))}, no number",
                remedy="give a number for every clip",
            ) from None
    return scores


def write_per_clip(
    path: Path, predictions: Mapping[str, str], evaluation: CaptionEvaluation
) -> None:
    """Write a CSV: id, prediction, and every metric that has a value a clip. Raises `OSError`."""
    columns = {
        name: metric.per_clip
        for name, metric in evaluation.metrics.items()
        if metric.per_clip is not None
    }
    write_table(
        path,
        ["id", "prediction", *columns],
        (
            [clip, text, *(f"{values[clip]:.6f}" for values in columns.values())]
            for clip, text in predictions.items()
        ),
    )


def _columns(rows: Rows) -> tuple[int, int | None, list[int]]:
    """Places of the clip, of the prediction and of the references."""
    header = rows.header
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise DataError(f"{rows.path}: two columns are named {shown(twice)}", remedy=_LAYOUTS)
    clip = _one(rows, _CLIP, "the clip")
    predictions = [i for i, name in enumerate(header) if name in _PREDICTION]
    references = [i for i, name in enumerate(header) if _REFERENCE.fullmatch(name)]
    unknown = [i for i in range(len(header)) if i not in {clip, *predictions, *references}]
    if unknown:
        raise DataError(
            f"{rows.path}: the column {shown(header[unknown[0]])} is unknown", remedy=_LAYOUTS
        )
    if len(predictions) > 1:
        names = " and ".join(shown(header[i]) for i in predictions)
        raise DataError(f"{rows.path} has {names}: which is the prediction?", remedy=_LAYOUTS)
    if not predictions and not references:
        raise DataError(f"{rows.path} has neither prediction nor references", remedy=_LAYOUTS)
    return clip, predictions[0] if predictions else None, references


def _one(rows: Rows, names: Sequence[str], what: str) -> int:
    found = [i for i, name in enumerate(rows.header) if name in names]
    if len(found) != 1:
        how_many = "no column" if not found else "several columns"
        begins = ", ".join(map(shown, rows.header[:4]))
        raise DataError(
            f"{rows.path} has {how_many} for {what}: its header begins {begins}",
            remedy=f"name one column {' or '.join(names)}",
        )
    return found[0]


def _json_scores(path: Path, metric: str) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
        per_clip = document[metric]["per_clip"]
        return {name_key(str(key)): value for key, value in dict(per_clip).items()}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} holds no {metric} a clip: {error!r}",
            remedy=f'it is {{"{metric}": {{"per_clip": {{id: value}}}}}}',
        ) from error
