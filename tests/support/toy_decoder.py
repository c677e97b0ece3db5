"""A next-token model that is a fixed function of what has been written, for tests of searching."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from soundseek.bundle.captioning.decoding import Decoding, Written, log_softmax, run_searches
from soundseek.bundle.captioning.rules import Rules
from soundseek.bundle.captioning.schema import CaptionText
from soundseek.bundle.captioning.searches import BeamSearch, GreedySearch
from soundseek.bundle.captioning.words import WordTree

BEGIN, END, PAD = 0, 1, 2
TEXT = CaptionText(begin=BEGIN, end=END, pad=PAD, max_tokens=50)


def toy_logits(seed: int, ids: tuple[int, ...], size: int) -> npt.NDArray[np.float64]:
    """Logits after `ids` (begin not among them), the same whenever they are asked for."""
    return 3 * np.random.default_rng([seed, *ids]).standard_normal(size)


class Toy:
    """The step of `run_searches` for clips whose seeds are given; counts its calls."""

    def __init__(self, seeds: list[int], size: int) -> None:
        self.seeds, self.size, self.calls = seeds, size, 0

    def __call__(
        self, ids: npt.NDArray[np.int64], clips: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        self.calls += 1
        assert (ids[:, 0] == BEGIN).all()
        rows = zip(ids[:, 1:].tolist(), clips.tolist(), strict=True)
        return np.stack([toy_logits(self.seeds[clip], tuple(row), self.size) for row, clip in rows])


def rules(decoding: Decoding, words: WordTree | None = None) -> Rules:
    """The rules of a toy's captions."""
    return Rules(decoding, TEXT, words)


def beamed(seed: int, size: int, decoding: Decoding, words: WordTree | None = None) -> Written:
    """What beam search writes, even with one beam."""
    search = BeamSearch(rules(decoding, words), decoding.beams, decoding.length_penalty)
    return run_searches([search], Toy([seed], size), BEGIN)[0]


def greedy(seed: int, size: int, decoding: Decoding, words: WordTree | None = None) -> Written:
    """What greedy search writes."""
    return run_searches([GreedySearch(rules(decoding, words))], Toy([seed], size), BEGIN)[0]


def every_caption(seed: int, size: int, decoding: Decoding) -> Iterator[Written]:
    """All captions that are allowed, each with the log-probabilities of its tokens."""
    yield from _continued(seed, size, decoding, Written((), ()))


def _continued(seed: int, size: int, decoding: Decoding, before: Written) -> Iterator[Written]:
    logs = log_softmax(toy_logits(seed, before.ids, size))
    allowed = [token for token in range(size) if _may_follow(before.ids, token, decoding)]
    if not allowed or len(before.ids) == decoding.max_tokens:
        yield before
        return
    for token in allowed:
        longer = Written((*before.ids, token), (*before.logs, float(logs[token])))
        if token == END:
            yield longer
        else:
            yield from _continued(seed, size, decoding, longer)


def _may_follow(ids: tuple[int, ...], token: int, decoding: Decoding) -> bool:
    if token in (BEGIN, PAD) or (token == END and len(ids) < decoding.min_tokens):
        return False
    longer = (*ids, token)
    return not repeats(longer, decoding.no_repeat_ngram)


def repeats(ids: tuple[int, ...], n: int) -> bool:
    """Whether any n-gram of `ids` comes twice."""
    grams = [ids[start : start + n] for start in range(len(ids) - n + 1)] if n else []
    return len(set(grams)) < len(grams)
