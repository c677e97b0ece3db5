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
    # Bytes that are not text have no place in an index of words.
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join(_SEPARATORS.sub(" ", _BORDERS.sub(" ", clean)).split())


def name_words(path: str, root: str) -> tuple[str, str]:
    """Return the words of the folders from the root's own name down, and of the name's stem."""
    folder, name = os.path.split(path)
    above = os.path.dirname(root.rstrip(os.sep))  # noqa: PTH120 - text, not a path on this machine
    below = folder[len(above) :] if folder.startswith(above) else folder
    return split_words(below), split_words(os.path.splitext(name)[0])  # noqa: PTH122
