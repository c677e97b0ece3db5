"""What an index run has to do: the scan compared with what the library knows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from soundseek.library.database import Database, explained
from soundseek.library.scan import Found
from soundseek.library.schema import blob_to_path


@dataclass(frozen=True)
class Plan:
    """What to do about each file.

    Attributes:
        to_read: new or altered files, and with `retry_failed` the failed ones.
        unchanged: (files.id, file) of those with the same size and time as before.
        back: files.id of the unchanged ones that were missing.
        gone: (files.id, whether it has a clip) of those below the roots that exist no more.
    """

    to_read: list[Found]
    unchanged: list[tuple[int, Found]]
    back: list[int]
    gone: list[tuple[int, bool]]


def make_plan(
    database: Database,
    roots: Sequence[str],
    files: Sequence[Found],
    *,
    read_all: bool,
    retry_failed: bool,
) -> Plan:
    """Compare the files of a scan of the absolute paths `roots` with the database."""
    found = {file.path: file for file in files}
    seen: set[str] = set()
    plan = Plan([], [], [], [])
    for row_id, path, size, mtime_ns, clip_id, state in _known_files(database):
        file = found.get(path)
        if file is None:
            listed = state == "missing" and clip_id is not None
            if not listed and _is_below(path, roots) and is_gone(path):
                plan.gone.append((row_id, clip_id is not None))
            continue
        same = (size, mtime_ns) == (file.size, file.mtime_ns)
        done = clip_id is not None or (state == "failed" and not retry_failed)
        if same and done and not read_all:
            seen.add(path)
            plan.unchanged.append((row_id, file))
            if state == "missing":
                plan.back.append(row_id)
    plan.to_read.extend(file for file in files if file.path not in seen)
    return plan


def _known_files(database: Database) -> Iterator[tuple[int, str, int, int, int | None, str]]:
    with explained(database.path):
        for row_id, blob, *rest in database.connection.execute(
            "SELECT id, path, size, mtime_ns, clip_id, state FROM files"
        ):
            yield (row_id, blob_to_path(blob), *rest)


def _is_below(path: str, roots: Sequence[str]) -> bool:
    return any(path == root or path.startswith(root.rstrip(os.sep) + os.sep) for root in roots)


def is_gone(path: str) -> bool:
    """Return whether there is nothing at `path`; what may not be looked at may be there."""
    try:
        os.stat(path)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
