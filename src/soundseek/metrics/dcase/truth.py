"""Which files are relevant to which query: Clotho's captions, or the lists of DCASE 2025."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from soundseek.errors import DataError
from soundseek.metrics.dcase.tables import Rows, name_key, open_table, shown

_LAYOUTS = "a truth file begins with file_name,caption_1,… or with query,audio_filenames"


@dataclass(frozen=True)
class Truth:
    """Queries and the files that answer them.

    Attributes:
        path: where it was read from.
        queries: the texts in the file's order; a text that occurs twice is two queries.
        files: the names (HTML entities resolved), each once.
        query_of, file_of: int64 `[pairs]`, indices of every relevant (query, file), sorted.
        lists_all_files: whether `files` are all the files that are searched (Clotho's layout), or
            only those that are relevant to some query (2025's).
    """

    path: Path
    queries: list[str]
    files: list[str]
    query_of: npt.NDArray[np.int64]
    file_of: npt.NDArray[np.int64]
    lists_all_files: bool

    def names_of(self) -> list[list[str]]:
        """Return the names of the relevant files of each query."""
        names: list[list[str]] = [[] for _ in self.queries]
        for query, file in zip(self.query_of.tolist(), self.file_of.tolist(), strict=True):
            names[query].append(self.files[file])
        return names


def read_truth(path: str | Path) -> Truth:
    """Read a truth file; its header says which layout it has.

    - `file_name,caption_1,…,caption_n` (Clotho; DCASE 2022 to 2024): every caption is a query, its
      own file the relevant one. An empty cell is no caption.
    - `query,audio_filenames` (DCASE 2025): the second cell is a Python list of names as text.

    Raises `DataError` with file, row and value for what does not fit, and `OSError`.
    """
    path = Path(path)
    with open_table(path) as rows:
        if _is_clotho(rows.header):
            return _clotho(rows)
        if rows.header == ["query", "audio_filenames"]:
            return _relevant_files(rows)
        what = ", ".join(shown(cell) for cell in rows.header[:4])
        raise DataError(f"{path} is no truth file: its header begins {what}", remedy=_LAYOUTS)


def _is_clotho(header: list[str]) -> bool:
    captions = [f"caption_{i}" for i in range(1, len(header))]
    return len(header) > 1 and header == ["file_name", *captions]


def _clotho(rows: Rows) -> Truth:
    queries: list[str] = []
    files: dict[str, int] = {}
    file_of: list[int] = []
    for number, (name, *captions) in rows:
        key = name_key(name)
        if not key:
            raise DataError(f"{rows.path}, row {number}: there is no file name")
        if key in files:
            raise DataError(
                f"{rows.path}, row {number}: a row before is of the file {shown(name)}, too",
                remedy="give each file one row and a name of its own",
            )
        index = files[key] = len(files)
        present = [caption for caption in captions if caption.strip()]
        queries += present
        file_of += [index] * len(present)
    if not queries:
        raise DataError(f"{rows.path} holds no caption", remedy="give each file its captions")
    return Truth(
        path=rows.path,
        queries=queries,
        files=list(files),
        query_of=np.arange(len(queries), dtype=np.int64),
        file_of=np.array(file_of, dtype=np.int64),
        lists_all_files=True,
    )


def _relevant_files(rows: Rows) -> Truth:
    queries: list[str] = []
    files: dict[str, int] = {}
    pairs: list[tuple[int, int]] = []
    for number, (query, cell) in rows:
        if not query.strip():
            raise DataError(f"{rows.path}, row {number}: there is no query")
        where = f"{rows.path}, row {number} (query {shown(query)})"
        names = [name_key(name) for name in _names(cell, where)]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{where}: {shown(twice)} is listed twice", remedy="list it once")
        pairs += [(len(queries), files.setdefault(name, len(files))) for name in names]
        queries.append(query)
    if not queries:
        raise DataError(f"{rows.path} holds no query")
    query_of, file_of = np.array(sorted(pairs), dtype=np.int64).T
    return Truth(rows.path, queries, list(files), query_of, file_of, lists_all_files=False)


def _names(cell: str, where: str) -> list[str]:
    try:
        names = ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(n, str) and n.strip() for n in names):
        raise DataError(
            f"{where}: {shown(cell)} is no list of file names",
            remedy="write it as ['one.wav', 'another.wav']",
        )
    if not names:
        raise DataError(
            f"{where}: no file is relevant, so the query has no defined score",
            remedy="leave the query out of the truth",
        )
    return names
