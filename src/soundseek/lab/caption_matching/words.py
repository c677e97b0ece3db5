"""Words of texts, and products of sparse rows of numbers by an inverted index."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from soundseek.text.normalise import normalise_caption


def words_of(text: str) -> list[str]:
    """The words of a text after `normalise_caption`: small letters, no punctuation, no stemming."""
    return normalise_caption(text).split()


class Postings:
    """Rows of numbers by feature, most of them zero, kept by feature: which rows have it.

    Args:
        rows: feature → value of each row.
    """

    def __init__(self, rows: Sequence[Mapping[Hashable, float]]) -> None:
        self._number: dict[Hashable, int] = {}
        features, holders, values = [], [], []
        for holder, row in enumerate(rows):
            for feature, value in row.items():
                features.append(self._number.setdefault(feature, len(self._number)))
                holders.append(holder)
                values.append(value)
        order = np.argsort(np.array(features, np.intp), kind="stable")
        self._holders = np.array(holders, np.intp)[order]
        self._values = np.array(values, np.float64)[order]
        counts = np.bincount(np.array(features, np.intp), minlength=len(self._number))
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
        self._rows = len(rows)

    def products(self, query: Mapping[Hashable, float]) -> NDArray[np.float64]:
        """Float64 `[rows]`: the sum over features of the query's value times the row's."""
        spans = [
            (slice(self._starts[number], self._starts[number + 1]), value)
            for feature, value in query.items()
            if (number := self._number.get(feature)) is not None
        ]
        if not spans:
            return np.zeros(self._rows)
        holders = np.concatenate([self._holders[span] for span, _ in spans])
        values = np.concatenate([self._values[span] * value for span, value in spans])
        summed: NDArray[np.float64] = np.bincount(holders, values, self._rows).astype(np.float64)
        return summed
