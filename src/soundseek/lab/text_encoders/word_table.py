"""Words with their vectors, and which of a file's to keep."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundseek.errors import DataError

AGAIN: Final = "download the file again; it may be truncated or of another format"


@dataclass(frozen=True)
class WordTable:
    """`words[i]` has `vectors[i]`, float32 `[n, dimension]`, in the order of the file."""

    words: list[str]
    vectors: NDArray[np.float32]

    @property
    def dimension(self) -> int:
        """Values a word."""
        return int(self.vectors.shape[1])


class Wanted:
    """Which rows to keep: the first `first`, and those of the words asked for; each word once."""

    def __init__(self, words: Collection[str] | None, first: int) -> None:
        self._words = None if words is None else {word.encode() for word in words}
        self._first = first
        self._kept: set[bytes] = set()

    def __call__(self, row: int, word: bytes) -> bool:
        """Whether to keep this row. A word that is no UTF-8 cannot be asked for: it is left out."""
        if self._words is not None and row >= self._first and word not in self._words:
            return False
        if word in self._kept or not _is_utf8(word):
            return False
        self._kept.add(word)
        return True

    def may_keep(self, row: int, beginning: bytes) -> bool:
        """Whether a word that begins so, up to its first space, could be one of them."""
        return self._words is None or row < self._first or beginning in self._words


def checked_table(
    path: Path, words: list[bytes], rows: list[NDArray[np.float32]], dimension: int
) -> WordTable:
    """Rows as a table. Raises `DataError` for values that are not finite."""
    vectors = np.stack(rows) if rows else np.empty((0, dimension), np.float32)
    if (wrong := np.flatnonzero(~np.isfinite(vectors).all(axis=1))).size:
        raise DataError(
            f"{path}: the vector of {words[wrong[0]].decode()!r} holds values that are not finite"
            + (f", and so do {wrong.size - 1} more" if wrong.size > 1 else ""),
            remedy=AGAIN,
        )
    return WordTable([word.decode() for word in words], vectors)


def _is_utf8(word: bytes) -> bool:
    try:
        word.decode()
    except UnicodeDecodeError:
        return False
    return True
