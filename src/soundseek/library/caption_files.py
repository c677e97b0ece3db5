"""Captions that people wrote: read from a table, and given to the clips of their files."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING

from soundseek.errors import DataError
from soundseek.library.captions import USER, caption_vectors, insert_caption, one_line
from soundseek.library.database import Database
from soundseek.library.lock import writer_lock
from soundseek.library.query import AnyPath, path_spellings
from soundseek.library.reports import AddedCaptions, Failure
from soundseek.library.schema import blob_to_path
from soundseek.metrics.dcase.tables import name_key, open_table

if TYPE_CHECKING:
    from soundseek.library.library import Library

_PATH_COLUMNS = ("path", "file", "file_name")
_CAPTION_COLUMN = re.compile(r"caption(_\d+)?")
_BATCH = 256

Row = tuple[AnyPath, str | Sequence[str]]


def read_captions(table: Path) -> list[tuple[str, list[str]]]:
    """Return (file, captions) of each row of a CSV file in UTF-8.

    The file is in the column "path", "file" or "file_name", captions are in "caption",
    "caption_1", "caption_2" and so on; other columns are passed over. Raises `DataError` for a
    table that lacks one of them or is no table, `OSError` if it cannot be opened.
    """
    with open_table(table) as rows:
        names = [name.lower() for name in rows.header]
        paths = [place for place, name in enumerate(names) if name in _PATH_COLUMNS]
        captions = [place for place, name in enumerate(names) if _CAPTION_COLUMN.fullmatch(name)]
        if len(paths) != 1 or not captions:
            raise DataError(
                f"{table} has the columns {', '.join(rows.header)}: it needs one of "
                f"{', '.join(_PATH_COLUMNS)}, and caption (or caption_1, caption_2 ...)",
                remedy="rename its columns in the first line",
            )
        return [(cells[paths[0]], [cells[place] for place in captions]) for _, cells in rows]


def add_captions(library: Library, rows: Iterable[Row], *, again: bool = False) -> AddedCaptions:
    """Store what people wrote of files; see `Library.add_captions`."""
    database = library.database
    with writer_lock(library.folder):
        files = _Files(database)
        wanted: dict[int, dict[str, None]] = defaultdict(dict)
        unknown: list[Failure] = []
        for path, texts in rows:
            clip_id = files.clip(path)
            if isinstance(clip_id, str):
                unknown.append(Failure(fspath(path), clip_id))
                continue
            for text in [texts] if isinstance(texts, str) else texts:
                if line := one_line(text):
                    wanted[clip_id][line] = None
        added, replaced = _store(library, wanted, again)
    return AddedCaptions(
        added=added,
        known=sum(map(len, wanted.values())) - added,
        replaced=replaced,
        clips=len(wanted),
        unknown=tuple(unknown),
    )


def _store(library: Library, wanted: dict[int, dict[str, None]], again: bool) -> tuple[int, int]:
    """Commit captions, a clip's together; returns how many were new, and how many had to go."""
    database = library.database
    added = replaced = 0
    clips = list(wanted.items())
    for start in range(0, len(clips), _BATCH):
        pairs = [(clip, text) for clip, texts in clips[start : start + _BATCH] for text in texts]
        vectors = caption_vectors(library.bundle, [text for _, text in pairs])
        with database.transaction() as connection:
            revision = database.next_revision()
            if again:
                for clip_id, texts in clips[start : start + _BATCH]:
                    replaced += connection.execute(
                        "DELETE FROM captions WHERE clip_id = ? AND source = ?"
                        f" AND text NOT IN ({', '.join('?' * len(texts))})",
                        (clip_id, USER, *texts),
                    ).rowcount
            added += sum(
                insert_caption(connection, clip_id, revision, text, vector)
                for (clip_id, text), vector in zip(pairs, vectors, strict=True)
            )
    return added, replaced


class _Files:
    """Finds clips by absolute or relative path, or by the last parts of a path."""

    def __init__(self, database: Database) -> None:
        self._by_path: dict[bytes, int] = {}
        self._by_name: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for blob, clip_id in database.query(
            "SELECT path, clip_id FROM files WHERE clip_id IS NOT NULL ORDER BY path"
        ):
            path = name_key(blob_to_path(blob))
            self._by_path[blob] = clip_id
            self._by_name[os.path.basename(path)].append((path, clip_id))  # noqa: PTH119

    def clip(self, path: AnyPath) -> int | str:
        """Return the clip of a file, or why there is none."""
        for blob in path_spellings(path):
            if blob in self._by_path:
                return self._by_path[blob]
        ending = name_key(fspath(path)).replace("/", os.sep)
        found = {
            clip_id
            for known, clip_id in self._by_name.get(os.path.basename(ending), ())  # noqa: PTH119
            if f"{os.sep}{known}".endswith(f"{os.sep}{ending.lstrip(os.sep)}")
            and (not os.path.isabs(ending) or known == ending)  # noqa: PTH117
        }
        if len(found) == 1:
            return found.pop()
        return "is the name of several sounds; give the path" if found else "is not in the library"
