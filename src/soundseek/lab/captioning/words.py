"""Captions of given words only: which tokens may come next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from soundseek.errors import RecipeError
from soundseek.lab.captioning.tokens import CaptionTokens


class AllowedWords:
    """The tokenizations of words, as trees of tokens: of a caption's first word, and of the others.

    A sequence of tokens is allowed if it is cut from such words, whole ones but for the last. Since
    tokens of byte-level and WordPiece vocabularies say whether a word begins with them, a caption
    that ends where a word ends holds these words and no others, whichever way it is cut.

    Raises `RecipeError` for no words, and for words that the tokens cannot spell.
    """

    def __init__(self, tokens: CaptionTokens, words: Iterable[str]) -> None:
        written = sorted({part for word in words for part in tokens.written(word).split()})
        if not written:
            raise RecipeError(
                "there are no words to write captions with", remedy="give a file of one a line"
            )
        unknown = [word for word in written if tokens.decode([tokens.pieces(word)]) != [word]]
        if unknown:
            raise RecipeError(
                f"the tokens cannot spell {len(unknown)} of the words: {', '.join(unknown[:12])}",
                remedy="leave them out, or use a tokenizer that knows them",
            )
        self._first: _Tree = _Tree()
        self._others: _Tree = _Tree()
        for word in written:
            self._first.add(tokens.pieces(word))
            self._others.add(tokens.pieces(f" {word}"))

    def after(self, ids: Sequence[int]) -> tuple[list[int], bool]:
        """The tokens that may follow the words' tokens `ids` (without start), in order, and whether
        the caption may end there."""
        places = [self._first]
        for token in ids:
            places = self._reached(places, token)
        nexts = (*places, *self._next_words(places))
        return sorted({token for place in nexts for token in place.below}), _ends(places)

    def whole(self, ids: Sequence[int]) -> int:
        """How many of the tokens `ids` (without start) make up whole words: those before a word
        that breaks off."""
        places, longest = [self._first], 0
        for count, token in enumerate(ids, start=1):
            places = self._reached(places, token)
            if _ends(places):
                longest = count
        return longest

    def _reached(self, places: Sequence[_Tree], token: int) -> list[_Tree]:
        nexts = (*places, *self._next_words(places))
        return [place.below[token] for place in nexts if token in place.below]

    def _next_words(self, places: Sequence[_Tree]) -> tuple[_Tree, ...]:
        return (self._others,) if _ends(places) else ()


class _Tree:
    """A place in the tokenizations; `whole`: a word ends here."""

    def __init__(self) -> None:
        self.below: dict[int, _Tree] = {}
        self.whole = False

    def add(self, pieces: Sequence[int]) -> None:
        place = self
        for piece in pieces:
            place = place.below.setdefault(piece, _Tree())
        place.whole = True


def _ends(places: Sequence[_Tree]) -> bool:
    return any(place.whole for place in places)


def read_words(path: Path) -> list[str]:
    """The words of a text file, in lines or between spaces. Raises `RecipeError`."""
    try:
        return path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"decoding.words: {path} cannot be read: {error}",
            remedy="name a text file (UTF-8) of one word a line, or leave it out",
        ) from error
