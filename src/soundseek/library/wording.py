"""File names as words, for the search in names."""

from __future__ import annotations

import os
import re

# Inside a run of letters and digits a word begins at a digit, and at a capital after a small
# letter ("doorSlam" "02") or before one ("FXDoor" is "FX" "Door").
_BORDERS = re.compile(
    r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])"
    r"|(?<=[a-zß-öø-ÿ])(?=[A-ZÀ-ÖØ-Þ])|(?<=[A-ZÀ-ÖØ-Þ])(?=[A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ])"
)
_SEPARATORS = re.compile(r"[\W_]+")


def split_words(text: str) -> str:
    """Return the words of a file name, with single spaces: "rain_onTin-roof02" has five."""
    return " ".join(_SEPARATORS.sub(" ", _BORDERS.sub(" ", _clean(text))).split())


def name_words(path: str, root: str) -> tuple[str, str]:
    """Return the words of the folders from the root's own name down, and of the name's stem.

    A word that was cut in pieces is there whole as well: "YouTube" is found by either spelling.
    """
    folder, name = os.path.split(path)
    above = os.path.dirname(root.rstrip(os.sep))  # noqa: PTH120 - text, not a path on this machine
    below = folder[len(above) :] if folder.startswith(above) else folder
    stem = os.path.splitext(name)[0]  # noqa: PTH122
    return _words_and_wholes(below), _words_and_wholes(stem)


def _words_and_wholes(text: str) -> str:
    words = split_words(text)
    runs = _SEPARATORS.sub(" ", _clean(text)).split()
    wholes = [run for run in runs if run.isalpha() and " " in split_words(run)]
    return " ".join([words, *wholes])


def _clean(text: str) -> str:
    # Bytes that are not text have no place in an index of words.
    return text.encode("utf-8", "replace").decode("utf-8")
