"""What must hold before captions can be scored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from soundseek.errors import DataError

_SHOWN = 3


def common_ids(
    predictions: Mapping[str, str], references: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return the ids that both sides name. Raises `DataError` unless they name the same."""
    if not references:
        raise DataError("there is no clip to score", remedy="give references and predictions")
    lacking = [clip for clip in references if clip not in predictions]
    if lacking:
        raise DataError(
            f"{len(lacking):,} of {len(references):,} clips have no prediction: {_some(lacking)}",
            remedy="give every clip of the references a caption, which may be empty",
        )
    unknown = [clip for clip in predictions if clip not in references]
    if unknown:
        raise DataError(
            f"{len(unknown):,} predictions are of clips that the references do not know: "
            f"{_some(unknown)}",
            remedy="use the references' ids, and leave other clips out",
        )
    return list(references)


def check_values(what: str, values: Mapping[str, float] | None, ids: Sequence[str]) -> None:
    """Raise `DataError` unless there is a finite value for every one of `ids`."""
    if values is None:
        return
    lacking = [clip for clip in ids if clip not in values]
    if lacking:
        raise DataError(
            f"{what}: {len(lacking):,} of {len(ids):,} clips have no value: {_some(lacking)}",
            remedy="give one value for every clip",
        )
    wrong = [clip for clip in ids if not math.isfinite(values[clip])]
    if wrong:
        raise DataError(f"{what} of clip {wrong[0]!r} is {values[wrong[0]]}: not finite")


def _some(ids: Sequence[str]) -> str:
    return ", ".join(map(repr, ids[:_SHOWN])) + (", …" if len(ids) > _SHOWN else "")
