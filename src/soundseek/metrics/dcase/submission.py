"""What a system hands in to a DCASE challenge: the table of its answers, and the files' names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from soundseek.errors import DataError
from soundseek.metrics.dcase.tables import name_key, shown, write_table

LISTED = 10

TASKS = MappingProxyType({2022: "task6b", 2023: "task6b", 2024: "task8", 2025: "task6"})
"""What each year calls language-based audio retrieval in labels and file names."""

_MOST_SUBMISSIONS = 4
_WORD = re.compile(r"[A-Za-z0-9-]+")


def submission_label(author: str, institute: str, year: int, number: int) -> str:
    """Return `<Author>_<Institute>_<task>_<number>`, such as Doe_XYZ_task6b_1.

    `author` is the corresponding author's last name, `institute` an abbreviation, `number` from 1
    to 4. Raises `DataError` for a year without the task, another number, or a name that is not
    made of letters, digits and hyphens of ASCII.
    """
    for what, word in (("author", author), ("institute", institute)):
        if _WORD.fullmatch(word) is None:
            raise DataError(
                f"the {what} {shown(word)} cannot be part of a submission's label",
                remedy="write it with letters, digits and hyphens of ASCII, without spaces",
            )
    if not 1 <= number <= _MOST_SUBMISSIONS:
        raise DataError(f"submission {number}: they are numbered from 1 to {_MOST_SUBMISSIONS}")
    return f"{author}_{institute}_{task_of(year)}_{number}"


def submission_names(label: str) -> tuple[str, str]:
    """Return the names of the table of answers and of its description."""
    return f"{label}.output.csv", f"{label}.meta.yaml"


def task_of(year: int) -> str:
    """Return what `year` calls the task. Raises `DataError` for another year."""
    if year not in TASKS:
        raise DataError(
            f"DCASE {year} has no language-based audio retrieval that is known here",
            remedy=f"years: {', '.join(map(str, TASKS))}",
        )
    return TASKS[year]


def write_ranked(
    path: str | Path, queries: Sequence[str], files: Sequence[str], scores: npt.ArrayLike
) -> None:
    """Write the first ten files of every query, as the challenges 2022 to 2024 ask.

    `scores` `[queries, files]`. Files that tie are in the order of `files`; fewer than ten files
    make a table with fewer columns. Raises `DataError` if shapes disagree, for NaN, and for names
    or texts that are empty, or names that occur twice.
    """
    matrix = _checked(queries, files, scores)
    order = (np.argsort(-row, kind="stable")[:LISTED] for row in matrix)
    write_table(
        Path(path),
        ["caption", *(f"file_name_{i + 1}" for i in range(min(LISTED, len(files))))],
        ([query, *(files[i] for i in row)] for query, row in zip(queries, order, strict=True)),
    )


def write_scores(
    path: str | Path, queries: Sequence[str], files: Sequence[str], scores: npt.ArrayLike
) -> None:
    """Write the similarity of every query and file, as the challenge of 2025 asks.

    Arguments and errors are those of `write_ranked`. A value is written with as many digits as
    tell it apart from every other one of its type: what is read back is what was written.
    """
    matrix = _checked(queries, files, scores)
    # str of a NumPy scalar has the digits of its own type; a float of Python would print the
    # binary expansion of a float32.
    rows = ([query, *map(str, row)] for query, row in zip(queries, matrix, strict=True))
    write_table(Path(path), ["index", *files], rows)


def _checked(
    queries: Sequence[str], files: Sequence[str], scores: npt.ArrayLike
) -> npt.NDArray[np.floating]:
    matrix = np.asarray(scores)
    if not np.issubdtype(matrix.dtype, np.floating):
        matrix = matrix.astype(np.float64)
    if matrix.shape != (len(queries), len(files)) or matrix.size == 0:
        raise DataError(
            f"scores have shape {matrix.shape}, but there are {len(queries)} queries and "
            f"{len(files)} files"
        )
    if np.isnan(matrix).any():
        row, column = np.argwhere(np.isnan(matrix))[0]
        raise DataError(
            f"the score of query {shown(queries[row])} and file {shown(files[column])} is NaN"
        )
    if (blank := [i for i, text in enumerate(queries) if not text.strip()]) != []:
        raise DataError(f"query {blank[0]} is empty")
    seen: set[str] = set()
    for name in files:
        if not (key := name_key(name)) or key in seen:
            raise DataError(
                f"the file name {shown(name)} is empty or occurs twice",
                remedy="give each file a name of its own: two folders may hold the same name",
            )
        seen.add(key)
    return matrix
