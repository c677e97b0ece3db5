"""The searches for one clip's caption: greedy, by beams, and by drawing from the nucleus."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from soundseek.bundle.captioning.decoding import DoubleArray, FloatArray, Written, log_softmax
from soundseek.bundle.captioning.rules import Rules


class GreedySearch:
    """The likeliest token every time; of equal ones the one with the lower id."""

    def __init__(self, rules: Rules) -> None:
        """Begin with nothing."""
        self.live = [Written((), ())]
        self._rules = rules
        self._written = self.live[0]

    def advance(self, logits: FloatArray) -> None:
        """Take the logits [1, vocabulary]."""
        before = self._written
        logs = log_softmax(logits[0])
        allowed = self._rules.apply(before.ids, logs)
        if not np.isfinite(allowed).any():
            self._finish(_whole(before, self._rules))
            return
        token = self._chosen(logits[0], allowed)
        written = before.extended(token, float(logs[token]))
        if token == self._rules.end or len(written.ids) == self._rules.max_tokens:
            self._finish(written)
        else:
            self._written = written
            self.live = [written]

    def best(self) -> Written:
        """Return the caption."""
        return self._written

    def _chosen(self, logits: FloatArray, allowed: DoubleArray) -> int:
        return int(allowed.argmax())

    def _finish(self, written: Written) -> None:
        self._written = written
        self.live = []


class NucleusSearch(GreedySearch):
    """Draws a token from the likeliest ones that together have the probability `top_p`."""

    def __init__(
        self, rules: Rules, top_p: float, temperature: float, generator: np.random.Generator
    ) -> None:
        """Begin with nothing; `generator` is this clip's own."""
        super().__init__(rules)
        self._top_p = top_p
        self._temperature = temperature
        self._generator = generator

    def _chosen(self, logits: FloatArray, allowed: DoubleArray) -> int:
        # What is forbidden gives its probability to the rest: something has to be drawn.
        warmed = np.where(np.isfinite(allowed), logits.astype(np.float64), -np.inf)
        with np.errstate(over="ignore"):
            warmed = (warmed - warmed.max()) / self._temperature
        probabilities = np.exp(warmed) / np.exp(warmed).sum()
        order = np.argsort(-probabilities, kind="stable")
        cumulative = np.cumsum(probabilities[order])
        size = int(np.searchsorted(cumulative, self._top_p)) + 1
        size = min(size, int(np.isfinite(allowed).sum()))
        drawn = self._generator.random() * cumulative[size - 1]
        return int(order[min(int(np.searchsorted(cumulative, drawn, side="right")), size - 1)])


class BeamSearch:
    """Keeps the best beginnings, as Hugging Face's beam search does with early_stopping="never".

    Of the 2 · beams best continuations, the ended ones among the first `beams` become captions and
    the best `beams` others go on. A caption's score is its log-probability divided by its length,
    the end included, to the power `length_penalty`. The search is done when no beginning can
    come to a better score than the best caption has.
    """

    def __init__(self, rules: Rules, beams: int, length_penalty: float) -> None:
        """Begin with nothing."""
        self.live = [Written((), ())]
        self._rules = rules
        self._beams = beams
        self._length_penalty = length_penalty
        self._best: Written | None = None
        self._best_score = -math.inf

    def advance(self, logits: FloatArray) -> None:
        """Take the logits [live, vocabulary]."""
        logs = log_softmax(logits)
        allowed = np.stack(
            [
                written.total + self._rules.apply(written.ids, row)
                for written, row in zip(self.live, logs, strict=True)
            ]
        )
        dead = [
            written
            for written, row in zip(self.live, allowed, strict=True)
            if not np.isfinite(row).any()
        ]
        going: list[Written] = []
        for rank, place in enumerate(_best_places(allowed.ravel(), 2 * self._beams)):
            beam, token = divmod(place, allowed.shape[1])
            written = self.live[beam].extended(token, float(logs[beam, token]))
            if token == self._rules.end or len(written.ids) == self._rules.max_tokens:
                if rank < self._beams:
                    self._end(written)
            elif len(going) < self._beams:
                going.append(written)
        for written in dead:
            self._end(_whole(written, self._rules))
        self.live = going if any(map(self._can_improve, going)) else []

    def best(self) -> Written:
        """Return the caption."""
        return self._best if self._best is not None else Written((), ())

    def _end(self, written: Written) -> None:
        score = self._score(written.total, len(written.ids))
        if self._best is None or score > self._best_score:
            self._best, self._best_score = written, score

    def _can_improve(self, written: Written) -> bool:
        # The total only falls. A longer caption divides it by more where the power is positive.
        length = self._rules.max_tokens if self._length_penalty > 0 else len(written.ids) + 1
        return self._best is None or self._score(written.total, length) > self._best_score

    def _score(self, total: float, length: int) -> float:
        # A caption of nothing at all, where rules forbid every token, is worse than any other.
        return total / length**self._length_penalty if length else -math.inf


def _whole(written: Written, rules: Rules) -> Written:
    kept = rules.whole(written.ids)
    return Written(written.ids[:kept], written.logs[:kept])


def _best_places(scores: DoubleArray, count: int) -> list[int]:
    """Return where the `count` best finite scores are, best first, of equal ones the first."""
    places: npt.NDArray[np.intp] = np.flatnonzero(np.isfinite(scores))
    if len(places) > count:
        least = np.partition(scores[places], len(places) - count)[len(places) - count]
        places = places[scores[places] >= least]
    return [int(place) for place in places[np.argsort(-scores[places], kind="stable")][:count]]
