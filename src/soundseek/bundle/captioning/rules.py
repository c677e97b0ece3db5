"""Which token may follow what has been written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from soundseek.bundle.captioning.decoding import Decoding, DoubleArray
from soundseek.bundle.captioning.schema import CaptionText
from soundseek.bundle.captioning.words import WordTree

IntArray = npt.NDArray[np.int64]


class Rules:
    """Forbids tokens: begin and pad always, the end too early, repetitions, other words.

    Probabilities are not spread anew over what is left, so that scores stay those of the model.
    """

    def __init__(self, decoding: Decoding, text: CaptionText, words: WordTree | None) -> None:
        """`words` holds the vocabulary of `decoding`, if it has one."""
        self.end = text.end
        self.max_tokens = decoding.max_tokens
        self._min_tokens = decoding.min_tokens
        self._ngram = decoding.no_repeat_ngram
        self._never = sorted({text.begin, text.pad} - {text.end})
        self._words = words

    def apply(self, ids: tuple[int, ...], logs: DoubleArray) -> DoubleArray:
        """Return the log-probabilities [vocabulary] after `ids`, -inf for what is forbidden."""
        allowed = logs.copy()
        if self._words is not None:
            only = self._words.followers(ids, self.max_tokens - len(ids))
            if self._words.is_whole(ids):
                only = np.append(only, self.end)
            allowed[:] = -np.inf
            allowed[only] = logs[only]
        allowed[self._never] = -np.inf
        allowed[self._repeating(ids)] = -np.inf
        if len(ids) < self._min_tokens:
            allowed[self.end] = -np.inf
        return allowed

    def whole(self, ids: tuple[int, ...]) -> int:
        """Return how many of `ids` to keep of a caption that cannot go on: up to a word's end."""
        if self._words is None:
            return len(ids)
        return next(n for n in range(len(ids), -1, -1) if self._words.is_whole(ids[:n]))

    def _repeating(self, ids: Sequence[int]) -> list[int]:
        """Return the tokens that would complete an n-gram which is there already."""
        n = self._ngram
        if n == 0 or len(ids) < n:
            return []
        tail = tuple(ids[len(ids) - n + 1 :])
        return [
            ids[start + n - 1]
            for start in range(len(ids) - n + 1)
            if tuple(ids[start : start + n - 1]) == tail
        ]
