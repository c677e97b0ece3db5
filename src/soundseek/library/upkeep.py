"""Keeping a library in order: what it holds, whether it is sound, and forgetting files."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from soundseek.audio.source import printable
from soundseek.errors import LibraryError
from soundseek.library.database import Database, explained
from soundseek.library.hashing import content_hash
from soundseek.library.lock import writer_lock
from soundseek.library.reports import Failure, Status, VerifyReport
from soundseek.library.schema import blob_to_path
from soundseek.library.writer import drop_clips_without_files, forget_files

# float16 keeps 11 bits of a value: a vector's length is 1 within much less than this.
_LENGTH_TOLERANCE = 0.01


def status(folder: Path, database: Database) -> Status:
    """Return what the library holds."""
    meta = database.meta()
    clips, windows, seconds = database.query(
        "SELECT count(*), coalesce(sum(n_windows), 0), coalesce(sum(duration_s), 0.0) FROM clips"
    )[0]
    captioned = 0
    if database.has_captions():
        (captioned,) = database.query(
            "SELECT count(DISTINCT clip_id) FROM captions WHERE text <> ''"
        )[0]
    states = dict(database.query("SELECT state, count(*) FROM files GROUP BY state"))
    return Status(
        clips=clips,
        windows=windows,
        files=states.get("present", 0),
        missing=states.get("missing", 0),
        failed=states.get("failed", 0),
        duration_s=seconds,
        bundle=meta["bundle_name"],
        fingerprint=meta["bundle_fingerprint"],
        size_bytes=sum(_size(path) for path in folder.rglob("*")),
        roots=tuple(json.loads(meta["roots"])),
        captioned=captioned,
    )


def failures(database: Database) -> list[Failure]:
    """Return the files that could not be read, by path."""
    rows = database.query("SELECT path, reason FROM files WHERE state = 'failed' ORDER BY path")
    return [Failure(blob_to_path(path), reason) for path, reason in rows]


def verify(database: Database, *, deep: bool) -> VerifyReport:
    """Check the database, its vectors and its files; see `Library.verify`.

    Raises LibraryError if the database is so damaged that it cannot be read.
    """
    problems = [*_database_problems(database), *_clip_problems(database)]
    problems += _file_problems(database, deep)
    (clips,) = database.query("SELECT count(*) FROM clips")[0]
    (files,) = database.query("SELECT count(*) FROM files WHERE state = 'present'")[0]
    return VerifyReport(clips=clips, files=files, deep=deep, problems=tuple(problems))


def remove(
    folder: Path,
    database: Database,
    paths_or_globs: Sequence[str | PathLike[str]],
    *,
    missing: bool,
) -> int:
    """Forget files; see `Library.remove`."""
    wanted = [_wanted(fspath(pattern)) for pattern in paths_or_globs]
    with writer_lock(folder):
        rows = database.query("SELECT id, path, state FROM files")
        row_ids = [
            (row_id,)
            for row_id, blob, state in rows
            if (missing and state == "missing") or _is_meant(blob_to_path(blob), wanted)
        ]
        known: list[str] = json.loads(database.meta()["roots"])
        roots = [root for root in known if not _is_meant(root, wanted)]
        if row_ids or roots != known:
            with database.transaction() as connection:
                database.next_revision()
                forget_files(connection, row_ids)
                database.set_meta({"roots": json.dumps(roots)})
            drop_clips_without_files(database)
    return len(row_ids)


def _wanted(pattern: str) -> tuple[str, str]:
    """Return what was typed as an absolute path and as an absolute glob."""
    if not pattern:
        raise LibraryError(
            "a path to forget is empty", remedy="for everything below the current folder, say ."
        )
    here = glob.escape(os.getcwd())  # noqa: PTH109
    return os.path.abspath(pattern), os.path.normpath(os.path.join(here, pattern))  # noqa: PTH100, PTH118


def _is_meant(path: str, wanted: Sequence[tuple[str, str]]) -> bool:
    return any(
        path == one or path.startswith(one.rstrip(os.sep) + os.sep) or fnmatchcase(path, pattern)
        for one, pattern in wanted
    )


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size if path.is_file() else 0
    except OSError:  # a helper file of SQLite's that has just gone
        return 0


def _database_problems(database: Database) -> Iterator[str]:
    for (line,) in database.query("PRAGMA integrity_check(20)"):
        if line != "ok":
            yield f"{database.path}: {line}; index again with --rebuild"
    for table, row_id, parent, _ in database.query("PRAGMA foreign_key_check"):
        yield f"{table} {row_id} points to nothing in {parent}; index again with --rebuild"
    if database.has_captions():
        for (caption_id,) in database.query(
            "SELECT id FROM captions WHERE id NOT IN (SELECT rowid FROM captions_text)"
        ):
            yield f"caption {caption_id}: half an entry; index again with --rebuild"
    for (blob,) in database.query(
        "SELECT path FROM files WHERE id NOT IN (SELECT rowid FROM names)"
        " UNION ALL SELECT path FROM files WHERE state = 'present' AND clip_id IS NULL"
    ):
        yield f"{_shown(blob)}: half an entry; index again with --rebuild"


def _clip_problems(database: Database) -> Iterator[str]:
    dimension = int(database.meta()["dimension"])
    with explained(database.path):
        for clip_id, n_windows, valid, vector, windows in database.connection.execute(
            "SELECT id, n_windows, valid, vector, windows FROM clips"
        ):
            sizes = (len(valid), len(vector), len(windows))
            if sizes != (4 * n_windows, 2 * dimension, 2 * dimension * n_windows):
                yield f"clip {clip_id}: vectors of wrong size; index again with --rebuild"
                continue
            both = np.frombuffer(vector + windows, "<f2").reshape(-1, dimension)
            lengths = np.linalg.norm(both.astype(np.float32), axis=1)
            if not (np.abs(lengths - 1.0) < _LENGTH_TOLERANCE).all():  # NaN is not less either
                yield f"clip {clip_id}: vectors are not of length 1; index again with --rebuild"


def _file_problems(database: Database, deep: bool) -> Iterator[str]:
    rows = database.query(
        "SELECT path, size, mtime_ns, content_hash FROM files JOIN clips ON clips.id = clip_id"
        " WHERE state = 'present' ORDER BY path"
    )
    for blob, size, mtime_ns, digest in rows:
        path = blob_to_path(blob)
        try:
            found = os.stat(path)  # noqa: PTH116
            if (found.st_size, found.st_mtime_ns) != (size, mtime_ns):
                yield f"{_shown(blob)}: changed since it was indexed; index its folder again"
            elif deep and content_hash(path) != digest:
                yield (
                    f"{_shown(blob)}: the content differs though size and time do not; "
                    "index again with --rebuild"
                )
        except OSError as error:
            yield (
                f"{_shown(blob)}: {error.strerror or error}; index its folder again, or forget "
                "it: soundseek library remove"
            )


def _shown(blob: bytes) -> str:
    return printable(Path(blob_to_path(blob)))
