"""What a system answered: ranked names (DCASE 2022 to 2024) or a score matrix (DCASE 2025)."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from soundseek.errors import DataError
from soundseek.metrics.dcase.numbers import plain_rows
from soundseek.metrics.dcase.tables import Rows, name_key, open_table, shown

_QUERY_COLUMNS = ("index", "query", "")  # the last is what pandas calls an index without a name
_LAYOUTS = (
    "predictions begin with caption,file_name_1,…,file_name_10, or with index (or query) and "
    "one column a file"
)


@dataclass(frozen=True)
class Ranked:
    """Files in order of relevance.

    Attributes:
        path: where it was read from.
        texts: the query of each row.
        rows: the number of each row in the file, for messages.
        names: the files that occur (HTML entities resolved), each once.
        ranking: int64 `[rows, k]`, indices into `names`, best first.
    """

    path: Path
    texts: list[str]
    rows: list[int]
    names: list[str]
    ranking: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scored:
    """A similarity for every text and file: as `Ranked`, with `scores` float64 `[rows, names]`."""

    path: Path
    texts: list[str]
    rows: list[int]
    names: list[str]
    scores: npt.NDArray[np.float64]


def read_predictions(path: str | Path) -> Ranked | Scored:
    """Read a file of predictions; its header says which layout it has.

    - `caption,file_name_1,…,file_name_k`: names, best first. The challenges ask for k = 10.
    - `index` or `query` (or an unnamed column, as pandas writes it), then one column a file: the
      text and its similarity to every file; the higher, the more alike. Infinities are scores.

    Raises `DataError` with file, row and value for what does not fit, and `OSError`.
    """
    path = Path(path)
    with open_table(path) as rows:
        header = rows.header
        if len(header) > 1:
            if header == ["caption", *(f"file_name_{i}" for i in range(1, len(header)))]:
                return _ranked(rows)
            if header[0] in _QUERY_COLUMNS and header[1] != "audio_filenames":
                return _scored(rows)
        what = ", ".join(shown(cell) for cell in header[:4])
        raise DataError(f"{path} holds no predictions: its header begins {what}", remedy=_LAYOUTS)


def _ranked(rows: Rows) -> Ranked:
    texts, numbers, cells = [], [], []
    for number, (text, *names) in rows:
        numbers.append(number)
        texts.append(text)
        cells += names
    _check_rows(rows, len(texts))
    index: dict[str, int] = {}
    of_cell = {cell: index.setdefault(name_key(cell), len(index)) for cell in dict.fromkeys(cells)}
    ranking = np.fromiter(map(of_cell.__getitem__, cells), np.int64, len(cells))
    found = Ranked(rows.path, texts, numbers, list(index), ranking.reshape(len(texts), -1))
    if "" in index:
        row, place = np.argwhere(found.ranking == index[""])[0]
        raise DataError(
            f"{rows.path}, row {numbers[row]}: there is no name in {rows.header[place + 1]}",
            remedy="fill the ranking up, or give the table fewer columns",
        )
    ordered = np.sort(found.ranking, axis=1)
    if (twice := ordered[:, 1:] == ordered[:, :-1]).any():
        row, place = np.argwhere(twice)[0]
        raise DataError(
            f"{rows.path}, row {numbers[row]} (query {shown(texts[row])}): "
            f"{shown(found.names[ordered[row, place]])} is named twice",
            remedy="name each file once a row",
        )
    return found


def _scored(rows: Rows) -> Scored:
    names = [name_key(name) for name in rows.header[1:]]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(
            f"{rows.path}: two columns are of the file {shown(twice)}",
            remedy="give each file one column and a name of its own",
        )
    if "" in names:
        raise DataError(f"{rows.path}: column {names.index('') + 2} has no file name")
    # A pipe can be read but once, and its beginning is read already.
    plain = plain_rows(rows.path, len(names)) if rows.path.is_file() else None
    texts, numbers, scores = plain or _through_csv(rows)
    _check_rows(rows, len(texts))
    if np.isnan(scores).any():
        row, column = np.argwhere(np.isnan(scores))[0]
        raise DataError(
            f"{rows.path}, row {numbers[row]} (query {shown(texts[row])}): "
            f"the score of {shown(names[column])} is NaN",
            remedy="a NaN has no place in a ranking: find out where the system makes it",
        )
    return Scored(rows.path, texts, numbers, names, scores)


def _through_csv(rows: Rows) -> tuple[list[str], list[int], npt.NDArray[np.float64]]:
    texts, numbers, values = [], [], array("d")
    for number, cells in rows:
        numbers.append(number)
        texts.append(cells[0])
        try:
            values.extend(map(float, cells[1:]))
        except ValueError:
            raise _no_number(rows, number, cells) from None
    scores = np.frombuffer(values, dtype=np.float64) if values else np.empty(0)
    return texts, numbers, scores.reshape(-1, len(rows.header) - 1)


def _no_number(rows: Rows, number: int, cells: list[str]) -> DataError:
    for name, cell in zip(rows.header[1:], cells[1:], strict=True):
        try:
            float(cell)
        except ValueError:
            return DataError(
                f"{rows.path}, row {number} (query {shown(cells[0])}): "
                f"the score of {shown(name)} is {shown(cell)}, which is no number",
                remedy=_LAYOUTS,
            )
    raise ValueError(cells)


def _check_rows(rows: Rows, n: int) -> None:
    if n == 0:
        raise DataError(
            f"{rows.path} has a header and no rows", remedy="give one row for every query"
        )
