"""Where in one sound something can be heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from soundseek.library.database import Database
from soundseek.library.hits import Moment
from soundseek.library.query import AnyPath, check_k, check_text
from soundseek.library.stored import window_vectors

if TYPE_CHECKING:
    from soundseek.bundle.runtime import Bundle
    from soundseek.bundle.sounds import WindowVectors

FloatArray = npt.NDArray[np.float32]


def find_moments(
    bundle: Bundle, path: AnyPath, text: str, *, k: int = 5, database: Database | None = None
) -> list[Moment]:
    """Return the `k` parts of the file at `path` that `text` fits best, best first.

    The file need not be in a library; with the `database` of one that was made with `bundle`, the
    vectors of a file that has not changed are taken from there. Memory does not grow with the
    length of the file (but for its windows' vectors). A part is a window and its neighbours, see
    `parts_above`. Parts do not share windows; there are fewer than `k` if the file is short.

    Raises QueryError for a text that is empty or too long and for k below 1, AudioError if the
    file cannot be read.
    """
    check_text(text)
    check_k(k)
    query = bundle.encode_text(text)[0]
    windows = window_vectors(bundle, path, database)
    return moments_in(windows, window_scores(windows, query), bundle.sample_rate, k)


def window_scores(windows: WindowVectors, query: FloatArray) -> FloatArray:
    """Return the cosines [n] of the vector `query` [dimension] and every window."""
    return np.asarray(np.clip(windows.vectors @ query, -1, 1), dtype=np.float32)


def moments_in(
    windows: WindowVectors, scores: FloatArray, sample_rate: int, k: int
) -> list[Moment]:
    """Return the `k` best parts of a sound, best first, from the `scores` [n] of its windows."""
    ends_s = windows.starts_s + windows.valid_samples / sample_rate
    return [
        Moment(rank, float(scores[peak]), float(windows.starts_s[first]), float(ends_s[last]))
        for rank, (peak, first, last) in enumerate(parts_above(scores, k), start=1)
    ]


def parts_above(scores: FloatArray, k: int) -> list[tuple[int, int, int]]:
    """Cut the `k` best parts out of the `scores` [n] of consecutive windows, n ≥ 1.

    Returns (best window, first window, last window) of each. Around the best window that is left,
    a part takes in its neighbours on both sides that are above the middle between that window and
    the median of all: the width of a peak at half its height. So a long event is one part, and
    what stands out little from the rest stays short.
    """
    median = float(np.median(scores))
    free = np.ones(len(scores), dtype=np.bool_)
    parts: list[tuple[int, int, int]] = []
    for peak in (int(index) for index in np.argsort(-scores, kind="stable")):
        if len(parts) == k:
            break
        if not free[peak]:
            continue
        middle = (float(scores[peak]) + median) / 2
        first = last = peak
        while first > 0 and free[first - 1] and scores[first - 1] > middle:
            first -= 1
        while last + 1 < len(scores) and free[last + 1] and scores[last + 1] > middle:
            last += 1
        free[first : last + 1] = False
        parts.append((peak, first, last))
    return parts
