"""The whole library as one file for other programs."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from soundseek.errors import LibraryError
from soundseek.library.database import Database, explained
from soundseek.library.query import AnyPath
from soundseek.library.schema import blob_to_path, split_tags

_COLUMNS = (
    "path",
    "state",
    "reason",
    "duration_s",
    "format",
    "sample_rate",
    "channels",
    "tags",
    "size_bytes",
    "sha256",
    "indexed_at",
    "captions",
)
_ROWS = (
    "SELECT files.path, files.state, files.reason, clips.duration_s, clips.format,"
    " clips.sample_rate, clips.channels, files.tags, files.size, clips.content_hash,"
    " files.indexed_at, {captions}"
    " FROM files LEFT JOIN clips ON clips.id = files.clip_id ORDER BY files.path"
)
# A line each, the user's first: no caption holds a line break.
_CAPTIONS = (
    "(SELECT group_concat(text, char(10)) FROM (SELECT text FROM captions"
    " WHERE clip_id = clips.id AND text <> '' ORDER BY source <> 'user', id))"
)


def export_library(database: Database, destination: AnyPath, *, format: str = "csv") -> int:  # noqa: A002
    """Write the library to the file `destination`, replacing it; returns the number of rows.

    "csv" (tags joined by commas, captions by line breaks), "json" (one list) and "jsonl" (one
    object a line) have a row for every file, missing and failed ones included, sorted by path, as
    UTF-8; bytes of a path that are not text appear as backslash escapes. "npz" is for NumPy and has
    a row for every present file: `paths` [n], `sha256` [n], `durations_s` float64 [n], and
    `vectors` float32 [n, dimension], L2-normalised.

    The file is complete or not there. Raises LibraryError for an unknown format and where the
    file cannot be written.
    """
    writers: dict[str, Callable[[Database, Path], int]] = {
        "csv": _write_csv,
        "json": _write_json,
        "jsonl": _write_jsonl,
        "npz": _write_npz,
    }
    if format not in writers:
        raise LibraryError(
            f"a library cannot be exported as {format!r}",
            remedy=f"choose one of {', '.join(writers)}",
        )
    path = Path(destination)
    try:
        is_new_or_file = path.is_file() or path.is_dir() or not path.exists()
        # Through a link to what it stands for: the link itself stays. A pipe or a device, such as
        # /dev/stdout, is written into and never replaced.
        place = path.resolve() if is_new_or_file else None
        # A folder beside the destination: writers that add an ending of their own stay inside.
        with tempfile.TemporaryDirectory(
            prefix=".export-", dir=None if place is None else place.parent
        ) as folder:
            temporary = Path(folder, f"export.{format}")
            count = writers[format](database, temporary)
            if place is not None:
                temporary.replace(place)
            else:
                with temporary.open("rb") as source, path.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
    except OSError as error:
        raise LibraryError(
            f"cannot write {path}: {error.strerror or error}",
            remedy="choose a file in a folder that exists, with some room on the disk",
        ) from error
    return count


def _rows(database: Database) -> Iterator[dict[str, Any]]:
    statement = _ROWS.format(captions=_CAPTIONS if database.has_captions() else "NULL")
    with explained(database.path):
        for values in database.connection.execute(statement):
            row = dict(zip(_COLUMNS, values, strict=True))
            row["path"] = _printable(row["path"])
            row["tags"] = split_tags(row["tags"])
            row["captions"] = tuple((row["captions"] or "").splitlines())
            row["sha256"] = None if row["sha256"] is None else row["sha256"].hex()
            yield row


def _printable(path: bytes) -> str:
    return blob_to_path(path).encode("utf-8", "backslashreplace").decode()


def _text_file(path: Path) -> IO[str]:
    return path.open("w", encoding="utf-8", newline="")


def _write_csv(database: Database, path: Path) -> int:
    count = 0
    with _text_file(path) as file:
        writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        for count, row in enumerate(_rows(database), start=1):  # noqa: B007
            writer.writerow(
                {**row, "tags": ",".join(row["tags"]), "captions": "\n".join(row["captions"])}
            )
    return count


def _write_json(database: Database, path: Path) -> int:
    count = 0
    with _text_file(path) as file:
        file.write("[")
        for count, row in enumerate(_rows(database), start=1):
            file.write(("\n" if count == 1 else ",\n") + json.dumps(row, ensure_ascii=False))
        file.write("\n]\n")
    return count


def _write_jsonl(database: Database, path: Path) -> int:
    count = 0
    with _text_file(path) as file:
        for count, row in enumerate(_rows(database), start=1):  # noqa: B007
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count


def _write_npz(database: Database, path: Path) -> int:
    dimension = int(database.meta()["dimension"])
    rows = database.query(
        "SELECT files.path, clips.content_hash, clips.duration_s, clips.vector"
        " FROM files JOIN clips ON clips.id = files.clip_id"
        " WHERE files.state = 'present' ORDER BY files.path"
    )
    vectors = np.frombuffer(b"".join(row[3] for row in rows), dtype="<f2").astype(np.float32)
    np.savez(
        path,
        paths=np.array([_printable(row[0]) for row in rows], dtype=np.str_),
        sha256=np.array([row[1].hex() for row in rows], dtype=np.str_),
        durations_s=np.array([row[2] for row in rows], dtype=np.float64),
        vectors=vectors.reshape(-1, dimension),
    )
    return len(rows)
