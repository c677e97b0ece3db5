"""Short questions to a library, for the tests of indexing."""

from __future__ import annotations

import os

from soundseek.library import Library
from soundseek.library.reports import IndexReport

_COUNTS = ("added", "unchanged", "moved", "changed", "missing")


def counts(report: IndexReport) -> dict[str, int]:
    """The counts of a report that are not zero, "failed" among them."""
    found = {name: getattr(report, name) for name in _COUNTS} | {"failed": len(report.failed)}
    return {name: count for name, count in found.items() if count}


def paths(library: Library, state: str = "present") -> list[str]:
    """The paths in a state, in order of their bytes."""
    rows = library.database.query("SELECT path FROM files WHERE state = ? ORDER BY path", (state,))
    return [os.fsdecode(path) for (path,) in rows]


def rows_of(library: Library, table: str) -> int:
    """How many rows a table has."""
    (count,) = library.database.query(f"SELECT count(*) FROM {table}")[0]
    return int(count)
