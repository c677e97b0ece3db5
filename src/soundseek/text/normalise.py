"""One spelling for captions and queries, so that training and searching see the same text."""

from __future__ import annotations

import unicodedata

_APOSTROPHES = "'\u2018\u2019\u02bc\uff07"


def normalise_caption(text: str, *, lowercase: bool = True, strip_punctuation: bool = True) -> str:
    """Return `text` in Unicode NFKC with single spaces and no space at either end.

    With `strip_punctuation`, letters, digits and the combining marks of any script stay;
    everything else becomes a space, except an apostrophe between two letters or digits
    ("dog's"), which is written "'" whichever form it had. The result may be empty. Normalising
    twice gives the same as normalising once.
    """
    text = unicodedata.normalize("NFKC", text)
    if lowercase:
        # Some capitals with an accent have a composed form only when small ("J̌" and "ǰ").
        text = unicodedata.normalize("NFKC", text.lower())
    if strip_punctuation:
        text = "".join(_kept(text, position) for position in range(len(text)))
    return " ".join(text.split())


def _kept(text: str, position: int) -> str:
    character = text[position]
    if _is_word(character):
        return character
    inside = 0 < position < len(text) - 1
    if (
        character in _APOSTROPHES
        and inside
        and _is_word(text[position - 1])
        and _is_word(text[position + 1])
    ):
        return "'"
    return " "


def _is_word(character: str) -> bool:
    # L: letters, N: digits, M: combining marks, which carry the vowels of many scripts.
    return unicodedata.category(character)[0] in "LNM"
