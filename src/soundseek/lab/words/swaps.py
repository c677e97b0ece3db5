"""Captions with other words in them: sentences about sounds whose words no caption uses."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from soundseek.lab.augment.wordnet_entries import Word

_WORD = re.compile(r"[a-z]+")
_SHORTEST = 3  # letters: "a", "in" and "is" stay
_Kind = tuple[str, int]


class Swapper:
    """Puts another word of the same kind in the place of a word: an animal for an animal.

    Only single words that WordNet has met in its tagged texts are put in; endings stay.
    """

    def __init__(self, words: Iterable[Word]) -> None:
        known = [word for word in words if word.known and " " not in word.lemma]
        self._pools: dict[_Kind, list[str]] = defaultdict(list)
        self._kinds: dict[str, _Kind] = {}
        self._verbs: dict[str, _Kind] = {}
        for word in known:
            self._pools[word.kind].append(word.lemma)
            if word.kind[0] == "verb":
                self._verbs[word.lemma] = word.kind
        for word in sorted(known, key=lambda one: -one.known):
            self._kinds.setdefault(word.lemma, word.kind)

    def swapped(self, caption: str, rng: np.random.Generator, share: float = 0.3) -> str:
        """The caption in lower case, about `share` of the words it can swap swapped."""

        def other(match: re.Match[str]) -> str:
            word = match.group()
            if len(word) < _SHORTEST or rng.random() >= share:
                return word
            return self._other(word, rng)

        return _WORD.sub(other, caption.lower())

    def _other(self, word: str, rng: np.random.Generator) -> str:
        for kind, ending in self._readings(word):
            if kind is not None:
                pool = self._pools[kind]
                return _with_ending(pool[int(rng.integers(len(pool)))], ending)
        return word

    def _readings(self, word: str) -> Iterator[tuple[_Kind | None, str]]:
        """What the word may be a form of, and the ending of that form."""
        if word.endswith("ing"):
            stem = word.removesuffix("ing")
            yield self._verbs.get(stem), "ing"
            yield self._verbs.get(stem + "e"), "ing"
        if word.endswith("s"):
            stem = word.removesuffix("s")
            kind = self._kinds.get(stem)
            takes_s = kind is not None and kind[0] in ("noun", "verb")
            yield kind if takes_s else self._verbs.get(stem), "s"
        yield self._kinds.get(word), ""


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
