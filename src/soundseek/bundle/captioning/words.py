"""Captions of given words only: which tokens spell them, one after another."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tokenizers import Tokenizer

IntArray = npt.NDArray[np.int64]
Spellings = list[tuple[int, ...]]

_MOST_PLACES = 10_000


def spellings(tokenizer: Tokenizer, word: str) -> tuple[Spellings, Spellings]:
    """Return the tokens of `word` at the beginning of a caption, and of it after another word.

    Some tokenizers spell these differently, since the space before a word is part of its first
    token. A list is empty where the tokenizer has nothing for the word.
    """
    first, later = [], []
    for form in dict.fromkeys((word, word.lower())):
        alone = _ids(tokenizer, form)
        if not alone or not _says(tokenizer, alone, form):
            continue
        first.append(alone)
        pair = _ids(tokenizer, f"{form} {form}")
        # Where the two are not spelt one after the other, the word stands only at the beginning.
        if pair[: len(alone)] == alone and len(pair) > len(alone):
            later.append(pair[len(alone) :])
    return first, later


def _ids(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    return tuple(tokenizer.encode(text, add_special_tokens=False).ids)


def _says(tokenizer: Tokenizer, ids: tuple[int, ...], word: str) -> bool:
    """Whether the tokens give the word back: unknown ones do not."""
    said = tokenizer.decode(list(ids), skip_special_tokens=True)
    return "".join(said.split()).casefold() == "".join(word.split()).casefold()


class _Node:
    """A place in a tree of words: what has been spelt of one."""

    def __init__(self) -> None:
        self.children: dict[int, _Node] = {}
        self.ends_word = False

    def add(self, ids: tuple[int, ...]) -> None:
        """Put a word below."""
        node = self
        for token in ids:
            node = node.children.setdefault(token, _Node())
        node.ends_word = True

    @cached_property
    def to_go(self) -> int:
        """Tokens up to the nearest end of a word."""
        if self.ends_word:
            return 0
        return min((child.to_go + 1 for child in self.children.values()), default=0)

    @cached_property
    def tokens(self) -> IntArray:
        """The tokens that go on from here, in order."""
        return np.asarray(sorted(self.children), dtype=np.int64)

    def within(self, room: int) -> IntArray:
        """Return those of `tokens` after which the word can end within `room` tokens."""
        return self.tokens[self._needs <= room]

    @cached_property
    def _needs(self) -> IntArray:
        needs = [1 + self.children[int(token)].to_go for token in self.tokens]
        return np.asarray(needs, dtype=np.int64)


class WordTree:
    """The tokens of all words as two trees: one for the first word, one for all others.

    What has been written stands at one node of a tree or, where a word begins as another does
    and is one itself, at several.
    """

    def __init__(self, tokenizer: Tokenizer, words: Iterable[str]) -> None:
        """Take the `words` that the tokenizer can spell; `unusable` lists the others."""
        self._first, self._later = _Node(), _Node()
        self.unusable: list[str] = []
        for word in sorted(words):
            first, later = spellings(tokenizer, word)
            if not first:
                self.unusable.append(word)
            for ids in first:
                self._first.add(ids)
            for ids in later:
                self._later.add(ids)
        self._places: dict[tuple[int, ...], list[_Node]] = {(): [self._first]}

    @property
    def is_empty(self) -> bool:
        """Whether no word can be spelt."""
        return not self._first.children

    def is_whole(self, ids: tuple[int, ...]) -> bool:
        """Whether `ids` are words, the last one complete; nothing at all counts as such."""
        return not ids or any(node.ends_word for node in self._at(ids))

    def followers(self, ids: tuple[int, ...], room: int) -> IntArray:
        """Return the tokens that may follow, in order: those after which the word that they go on
        with can end within `room` tokens."""
        found = [node.within(room) for node in self._open(self._at(ids))]
        return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *found]))

    def _open(self, nodes: list[_Node]) -> list[_Node]:
        """Return the nodes, and the beginning of another word if one can end here."""
        return [*nodes, self._later] if any(node.ends_word for node in nodes) else nodes

    def _at(self, ids: tuple[int, ...]) -> list[_Node]:
        known = self._places.get(ids)
        if known is None:
            before = self._open(self._at(ids[:-1]))
            known = [node.children[ids[-1]] for node in before if ids[-1] in node.children]
            if len(self._places) > _MOST_PLACES:
                self._places = {(): [self._first]}
            self._places[ids] = known
        return known
