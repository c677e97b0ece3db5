"""Captions with other words in them: sentences about sounds whose words no caption uses."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from soundseek.lab.augment.wordnet_entries import Word

_WORD = re.compile(r"[a-z]+")
_ENDINGS = ("ing", "s", "")


class Swapper:
    """Puts another word of the same kind in the place of a word: an animal for an animal.

    Only words that WordNet has met in its tagged texts are put in; verbs keep their ending.
    """

    def __init__(self, words: Iterable[Word]) -> None:
        self._kinds: dict[str, dict[str, tuple[str, int]]] = defaultdict(dict)
        self._pools: dict[tuple[str, int], list[str]] = defaultdict(list)
        best: dict[str, Word] = {}
        for word in words:
            if word.known and " " not in word.lemma:
                self._kinds[word.kind[0]][word.lemma] = word.kind
                self._pools[word.kind].append(word.lemma)
                if word.lemma not in best or word.known > best[word.lemma].known:
                    best[word.lemma] = word
        self._best = {lemma: word.kind for lemma, word in best.items()}

    def swapped(self, caption: str, rng: np.random.Generator, share: float = 0.3) -> str:
        """The caption in lower case, about `share` of the words it can swap swapped."""

        def other(match: re.Match[str]) -> str:
            word = match.group()
            if len(word) < 3 or rng.random() >= share:
                return word
            return self._other(word, rng)

        return _WORD.sub(other, caption.lower())

    def _other(self, word: str, rng: np.random.Generator) -> str:
        for ending in _ENDINGS:
            if not word.endswith(ending):
                continue
            stem = word.removesuffix(ending)
            for lemma in (stem, stem + "e") if ending == "ing" else (stem,):
                kind = self._best.get(lemma) if not ending else self._inflected(lemma, ending)
                if kind is not None:
                    pool = self._pools[kind]
                    return _with_ending(pool[int(rng.integers(len(pool)))], ending)
        return word

    def _inflected(self, lemma: str, ending: str) -> tuple[str, int] | None:
        """The kind of a lemma that takes the ending: verbs, and nouns for the plural."""
        verb = self._kinds["verb"].get(lemma)
        if ending == "ing":
            return verb
        kind = self._best.get(lemma)
        return kind if kind is not None and kind[0] in ("noun", "verb") else verb


def _with_ending(lemma: str, ending: str) -> str:
    if ending == "ing" and lemma.endswith("e") and not lemma.endswith("ee"):
        return lemma[:-1] + ending
    if ending == "s" and lemma.endswith(("s", "x", "z", "ch", "sh")):
        return lemma + "es"
    return lemma + ending


def swapped_captions(
    captions: Sequence[str], words: Iterable[Word], n: int, rng: np.random.Generator
) -> list[str]:
    """`n` random captions with other words in them; those that stayed as they were are left out."""
    swapper = Swapper(words)
    made = []
    for index in rng.integers(len(captions), size=n):
        caption = swapper.swapped(captions[index], rng)
        if caption != captions[index].lower():
            made.append(caption)
    return made
