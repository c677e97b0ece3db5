"""Okapi BM25 of queries over captions (Robertson & Zaragoza 2009, "The Probabilistic Relevance
Framework: BM25 and Beyond", section 3.4)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soundseek.lab.caption_matching.generated import Generated
from soundseek.lab.caption_matching.words import Postings, words_of

K1, B = 1.2, 0.75


class Bm25:
    """Scores queries against captions, each of which is a document:

        Σ over the query's words  w · f (k1 + 1) / (f + k1 (1 − b + b · length / mean length))

    with f the count of the word in the caption, k1 = 1.2, b = 0.75, and w the weight of Robertson
    and Spärck Jones without relevance judgements, with 1 added inside the logarithm so that it is
    positive for words of more than half the captions too: log(1 + (N − n + ½) / (n + ½)). A word
    that stands twice in the query counts twice. N counts every caption that was written, so that a
    text written for ten clips is ten documents. Scores are ≥ 0; a query without a word of the
    captions has zeros alone.
    """

    least = 0.0

    def __init__(self, generated: Generated) -> None:
        counts = [Counter(words_of(text)) for text in generated.texts]
        lengths = [sum(row.values()) for row in counts]
        times = generated.occurrences
        total = sum(times)
        mean = sum(map(math.prod, zip(lengths, times, strict=True))) / max(total, 1)
        holding: Counter[str] = Counter()
        for row, often in zip(counts, times, strict=True):
            for word in row:
                holding[word] += often
        weights = {
            word: math.log(1 + (total - number + 0.5) / (number + 0.5))
            for word, number in holding.items()
        }
        self._captions = Postings(
            [
                {
                    word: weights[word] * f * (K1 + 1) / (f + K1 * (1 - B + B * length / mean))
                    for word, f in row.items()
                }
                for row, length in zip(counts, lengths, strict=True)
            ]
        )

    def scores(self, queries: Sequence[str]) -> NDArray[np.float32]:
        """Float32 `[queries, captions]`."""
        rows = [self._captions.products(Counter(words_of(query))) for query in queries]
        return np.array(rows, np.float32)
