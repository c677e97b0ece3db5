"""Reading a matrix of scores in blocks of rows, so that many of them need the memory of none."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float32]
BLOCK_BYTES: Final = 16 << 20
"""Of all blocks that are held at once."""


def rows_at_once(clips: int, matrices: int = 1) -> int:
    """How many rows of `clips` scores of so many matrices are read together."""
    return max(1, BLOCK_BYTES // (4 * max(1, clips) * max(1, matrices)))


def spans(queries: int, rows: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of blocks of `rows` rows."""
    for start in range(0, queries, rows):
        yield start, min(queries, start + rows)


def read_block(scores: NDArray[np.floating], start: int, stop: int) -> _Floats:
    """Rows `start` to `stop` as float32, in memory.

    Of a memory-mapped file they are read, not mapped: mapped pages count as memory of the process
    until the map is closed.
    """
    if isinstance(scores, np.memmap) and _is_whole(scores):
        width = scores.shape[1]
        values = np.fromfile(
            str(scores.filename),
            scores.dtype,
            (stop - start) * width,
            offset=scores.offset + start * width * scores.itemsize,
        )
        return values.reshape(-1, width).astype(np.float32, copy=False)
    return np.asarray(scores[start:stop], np.float32)


def _is_whole(scores: np.memmap[Any, Any]) -> bool:
    """Whether rows lie in the file one behind the other from `offset`, which views inherit."""
    return (
        scores.filename is not None
        and scores.flags.c_contiguous
        and isinstance(scores.base, mmap.mmap)
    )
