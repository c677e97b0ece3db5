"""How a caption is searched for: the settings, and the loop that all searches share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from soundseek.errors import QueryError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating]
DoubleArray = npt.NDArray[np.float64]

Step = Callable[[IntArray, IntArray], FloatArray]
"""(ids int64 [n, tokens], clip of each row int64 [n]) → logits [n, vocabulary] of the next one."""

METHODS = ("beam", "greedy", "nucleus")


@dataclass(frozen=True)
class Decoding:
    """How captions are searched for.

    Attributes:
        method: "beam" keeps the `beams` best beginnings and takes the best caption of all;
            "greedy" takes the likeliest token every time (as does "beam" with one beam);
            "nucleus" draws one of the likeliest tokens that together have the probability `top_p`
            (Holtzman et al. 2020, section 3.1), after the logits are divided by `temperature`.
        beams: beginnings that are kept.
        min_tokens: a caption has at least so many tokens before its end.
        max_tokens: a caption has at most so many tokens, its end included.
        no_repeat_ngram: no sequence of so many tokens comes twice; 0 allows all.
        length_penalty: captions are compared by their log-probability divided by their length (end
            included) to this power, as in Hugging Face's beam search.
        top_p, temperature, seed: for "nucleus". What is drawn depends on the seed and on the
            sound, not on what else is captioned.
        vocabulary: words that captions may consist of; None allows all.

    Raises QueryError for values that make no sense.
    """

    method: Literal["beam", "greedy", "nucleus"] = "beam"
    beams: int = 4
    min_tokens: int = 1
    max_tokens: int = 30
    no_repeat_ngram: int = 0
    length_penalty: float = 1.0
    top_p: float = 0.9
    temperature: float = 1.0
    seed: int = 0
    vocabulary: frozenset[str] | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        wrong = {
            f"method = {self.method!r}: choose {', '.join(METHODS)}": self.method not in METHODS,
            f"beams = {self.beams}: at least 1": self.beams < 1,
            f"min_tokens = {self.min_tokens}: at least 0": self.min_tokens < 0,
            f"max_tokens = {self.max_tokens}: above min_tokens = {self.min_tokens}": (
                self.max_tokens <= self.min_tokens
            ),
            f"no_repeat_ngram = {self.no_repeat_ngram}: at least 0": self.no_repeat_ngram < 0,
            f"length_penalty = {self.length_penalty}: finite": (
                not math.isfinite(self.length_penalty)
            ),
            f"top_p = {self.top_p}: above 0, at most 1": not 0 < self.top_p <= 1,
            f"temperature = {self.temperature}: above 0": (
                not (self.temperature > 0 and math.isfinite(self.temperature))
            ),
            f"seed = {self.seed}: at least 0": self.seed < 0,
        }
        if problems := [problem for problem, is_wrong in wrong.items() if is_wrong]:
            raise QueryError(f"captions cannot be written with {'; '.join(problems)}")


class Written(NamedTuple):
    """Tokens that were written, begin not among them, with the log-probability of each."""

    ids: tuple[int, ...]
    logs: tuple[float, ...]

    @property
    def total(self) -> float:
        """The log-probability of all."""
        return math.fsum(self.logs)

    @property
    def mean(self) -> float:
        """The mean log-probability of a token; 0 if there is none."""
        return self.total / len(self.logs) if self.logs else 0.0

    def extended(self, token: int, log: float) -> Written:
        """Return it with one token more."""
        return Written((*self.ids, token), (*self.logs, log))


class Search(Protocol):
    """The search for one clip's caption. All its beginnings are of one length."""

    live: list[Written]
    """The beginnings to go on from; empty when the search is done."""

    def advance(self, logits: FloatArray) -> None:
        """Take the logits [live, vocabulary] of the next token after each beginning."""

    def best(self) -> Written:
        """Return the caption, when the search is done."""


def run_searches(searches: Sequence[Search], step: Step, begin: int) -> list[Written]:
    """Return the caption that each search ends with; all go token by token together."""
    while active := [(clip, search) for clip, search in enumerate(searches) if search.live]:
        ids = [(begin, *written.ids) for _, search in active for written in search.live]
        clips = [clip for clip, search in active for _ in search.live]
        logits = step(np.asarray(ids, dtype=np.int64), np.asarray(clips, dtype=np.int64))
        start = 0
        for _, search in active:
            stop = start + len(search.live)
            search.advance(logits[start:stop])
            start = stop
    return [search.best() for search in searches]


def log_softmax(logits: FloatArray) -> DoubleArray:
    """Return the log-probabilities float64 along the last axis."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    normalised: DoubleArray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normalised
