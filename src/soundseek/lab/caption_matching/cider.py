"""CIDEr between queries and captions: n-grams that both have, the rarer the better.

Vedantam et al. 2015 ("CIDEr: Consensus-based Image Description Evaluation"), in the form with
clipping and a penalty for length (their CIDEr-D) that `pycocoevalcap` computes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from soundseek.lab.caption_matching.generated import Generated
from soundseek.lab.caption_matching.words import Postings, words_of

_LONGEST = 4
_SIGMA = 6.0
_SCALE = 10.0
_Gram = tuple[str, ...]


class Cider:
    """Scores queries against captions, the query in the place of the candidate and each caption in
    that of a reference.

    For n = 1 … 4, with h and r the counts of an n-gram in query and caption and w its weight:

        s_n = Σ w² min(h, r) r / (‖w h‖ ‖w r‖),    score = 10 exp(−d² / 72) (s_1 + … + s_4) / 4

    where d is the difference of the lengths, counted as pycocoevalcap does (pairs of words), and
    w = log(clips) − log(max(1, clips whose captions have the n-gram)). The frequencies are those of
    the generated captions, a document being all that was written for a clip: queries are not looked
    at, so that a query's scores do not depend on what else is asked. Scores are ≥ 0; a query that
    shares no n-gram of weight with any caption has zeros alone.
    """

    least = 0.0

    def __init__(self, generated: Generated) -> None:
        grams = [grams_of(text) for text in generated.texts]
        documents = [
            {gram for place in places for gram in grams[place]} for places in generated.of_clip
        ]
        frequencies = Counter(gram for document in documents for gram in document)
        self._most = math.log(len(documents))
        self._weights = {
            gram: self._most - math.log(frequency) for gram, frequency in frequencies.items()
        }
        self._lengths = np.array([_length(row) for row in grams], np.float64)
        self._captions = Postings([self._row(row) for row in grams])

    def scores(self, queries: Sequence[str]) -> NDArray[np.float32]:
        """Float32 `[queries, captions]`."""
        found = np.zeros((len(queries), len(self._lengths)), np.float32)
        for row, query in zip(found, queries, strict=True):
            grams = grams_of(query)
            apart = _length(grams) - self._lengths
            row[:] = self._products(grams) * np.exp(-(apart**2) / (2 * _SIGMA**2))
        return found

    def _products(self, grams: Counter[_Gram]) -> NDArray[np.float64]:
        """Σ_n s_n of a query, times 10 / 4."""
        norms = self._norms(grams)
        scale = _SCALE / _LONGEST
        query: dict[Hashable, float] = {
            (gram, number): scale / norms[len(gram)]
            for gram, count in grams.items()
            if norms[len(gram)]
            for number in range(count)
        }
        return self._captions.products(query)

    def _row(self, grams: Counter[_Gram]) -> dict[Hashable, float]:
        """min(h, r) is the number of i below both h and r: a feature for each occurrence."""
        norms = self._norms(grams)
        return {
            (gram, number): self._weights[gram] ** 2 * count / norms[len(gram)]
            for gram, count in grams.items()
            if norms[len(gram)]
            for number in range(count)
        }

    def _norms(self, grams: Counter[_Gram]) -> list[float]:
        squares = [0.0] * (_LONGEST + 1)
        for gram, count in grams.items():
            squares[len(gram)] += (self._weights.get(gram, self._most) * count) ** 2
        return [math.sqrt(square) for square in squares]


def grams_of(text: str) -> Counter[_Gram]:
    """How often each sequence of one to four words stands in a text."""
    words = words_of(text)
    return Counter(
        tuple(words[start : start + size])
        for size in range(1, _LONGEST + 1)
        for start in range(len(words) - size + 1)
    )


def _length(grams: Counter[_Gram]) -> int:
    return sum(count for gram, count in grams.items() if len(gram) == 2)
