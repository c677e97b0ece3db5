"""CSV tables as people hand them in: read strictly, with errors that name file, row and value.

Rows are counted as a spreadsheet counts them: the header is row 1, and a line break inside a
quoted text starts no row. Blank lines are passed over, but counted.
"""

from __future__ import annotations

import csv
import html
import itertools
import os
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from soundseek.errors import DataError

_SHOWN = 80


class Rows:
    """An open table: its header, then its rows with their numbers."""

    def __init__(self, path: Path, reader: Iterator[list[str]]) -> None:
        self.path = path
        self._reader = reader
        self._number = 1
        try:
            first = next(self._reader)
        except StopIteration:
            raise DataError(f"{path} is empty", remedy="give a CSV file with a header") from None
        self.header = [cell.strip() for cell in first]
        if len(self.header) == 1 and any(mark in self.header[0] for mark in ";\t"):
            raise DataError(
                f"{path}: the header {shown(self.header[0])} holds no comma",
                remedy="save the table with commas between its columns",
            )

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Go through (row number, cells). Raises `DataError` for a row of another length."""
        width = len(self.header)
        for number, cells in enumerate(self._reader, start=2):
            if len(cells) == width:
                yield number, cells
            elif cells:
                raise DataError(
                    f"{self.path}, row {number}: {len(cells)} cells, but the header has {width}; "
                    f"the row begins with {shown(cells[0])}",
                    remedy="complete the row, and put texts that hold commas in double quotes",
                )


@contextmanager
def open_table(path: Path, *, tabs: bool = False) -> Iterator[Rows]:
    """Open a CSV file in UTF-8, with or without a byte order mark, whatever its line ends.

    With `tabs`, a header that has tabs and no comma says that tabs separate the columns.

    Raises `DataError`, now or while it is read, for a file that is empty, in another encoding or
    no CSV; `OSError` if it cannot be opened.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            first = file.readline()
            tabbed = tabs and "\t" in first and "," not in first
            lines = itertools.chain([first] if first else [], file)
            yield Rows(path, csv.reader(lines, strict=True, delimiter="\t" if tabbed else ","))
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path} is not in UTF-8: byte {error.object[error.start]:#04x} cannot be read",
                remedy="save it in UTF-8 (in a spreadsheet: CSV UTF-8)",
            ) from error
        except csv.Error as error:
            raise DataError(
                f"{path} is no CSV: {error}",
                remedy="look for a quotation mark that is opened and not closed",
            ) from error


def shown(text: str) -> str:
    """Return a value for a message: quoted, and cut if it is long."""
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")


def name_key(name: str) -> str:
    """Return what file names are compared by: HTML entities resolved, Unicode composed."""
    if "&" in name:
        name = html.unescape(name)
    return (name if name.isascii() else unicodedata.normalize("NFC", name)).strip()


def text_key(text: str) -> str:
    """Return what texts are compared by: as names, and any run of white space is one space."""
    return " ".join(name_key(text).split())


@contextmanager
def written(path: Path) -> Iterator[IO[str]]:
    """Write a text file to a temporary name beside it and rename: all of it or nothing.

    Raises `DataError` if its folder does not exist, and `OSError`.
    """
    if not path.parent.is_dir():
        raise DataError(f"{path}: there is no folder {path.parent}", remedy="make it first")
    draft = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_table(path: Path, header: Sequence[str], rows: Iterator[Sequence[Any]]) -> None:
    """Write a CSV file, whole or not at all."""
    with written(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
