"""The filters that searching and browsing share, as parameters of a route."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

from soundseek.library.query import Filters, checked_filters
from soundseek.library.schema import path_to_blob
from soundseek.serve.problems import Problem

Seconds = Annotated[float | None, Query(ge=0, allow_inf_nan=False)]
_MOST = 50


@dataclass(frozen=True, slots=True)
class FilterParameters:
    """What a client asked for; durations in seconds."""

    min_duration: float | None
    max_duration: float | None
    folder: tuple[str, ...]
    format: tuple[str, ...]

    def folders(self) -> list[bytes]:
        """Return the folders as files.path has them; nothing is looked for on the disk."""
        return [_blob(folder) for folder in self.folder]

    def checked(self) -> Filters:
        """Return the library's filters; QueryError for those that make no sense."""
        return checked_filters(
            min_duration=self.min_duration,
            max_duration=self.max_duration,
            folders=self.folders(),
            formats=self.format,
        )


def filter_parameters(
    min_duration: Seconds = None,
    max_duration: Seconds = None,
    folder: Annotated[
        Sequence[str], Query(max_length=_MOST, description="Only below these; absolute paths.")
    ] = (),
    format: Annotated[  # noqa: A002
        Sequence[str], Query(max_length=_MOST, description='Only these, such as "wav".')
    ] = (),
) -> FilterParameters:
    """Read the filters of a request."""
    return FilterParameters(min_duration, max_duration, tuple(folder), tuple(format))


FilterOptions = Annotated[FilterParameters, Depends(filter_parameters)]


def _blob(folder: str) -> bytes:
    if not os.path.isabs(folder) or "\0" in folder:  # noqa: PTH117 - not a path to look for
        raise Problem(
            422, f"{folder!r} is no absolute path", remedy="take a folder from /api/v1/facets"
        )
    return path_to_blob(os.path.normpath(folder))
