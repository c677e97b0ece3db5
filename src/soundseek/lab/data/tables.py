"""Reading the tables that corpora are published with: CSV of several dialects, and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from soundseek.errors import DataError

_ENCODINGS = ("utf-8-sig", "cp1252")
_DELIMITERS = ",;\t"
_LONGEST_FIELD = 1 << 20


def read_table(path: Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """The rows of a CSV file with a header; a cell that a row lacks is "".

    UTF-8, or Windows-1252 where it is not (the Clotho metadata as published); the delimiter is the
    one of comma, semicolon and tab that the header has most of. Cells are left as they are: some
    file names of Clotho begin with a space.

    Raises `DataError` for a missing file, for one that is no text, for columns that it lacks, and
    for a row with more cells than the header (naming its line).
    """
    text = _text(path)
    header = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    limit_before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval="")
        names = list(reader.fieldnames or ())
        missing = [column for column in columns if column not in names]
        if missing:
            raise DataError(
                f"{path} lacks the columns {', '.join(missing)}",
                remedy=f"it has {', '.join(names) or 'none at all'}",
            )
        rows: list[dict[str, str]] = []
        for row in reader:
            if None in row:
                raise DataError(f"{path} line {reader.line_num}: more cells than the header has")
            rows.append(row)
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num}: {error}") from error
    finally:
        csv.field_size_limit(limit_before)
    return rows


def read_json(path: Path) -> Any:
    """The document in a JSON file. Raises `DataError` for a missing file and for broken JSON."""
    try:
        return json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: {error}") from error


def first_existing(folder: Path, names: Sequence[str], what: str) -> Path:
    """The first of `names` that is a file below `folder`; `what` says in words what is sought.

    Raises `DataError` naming all of them when none is there.
    """
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise DataError(
        f"{folder} has no {what}", remedy=f"expected one of {', '.join(names)} in that folder"
    )


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DataError(f"{path} is no text file (neither UTF-8 nor Windows-1252)")
