"""Where the user's library is, and where a demonstration keeps its own."""

from __future__ import annotations

import os
from pathlib import Path

from soundseek.bundle.places import cache_folder, data_home

LIBRARY_VARIABLE = "SOUNDSEEK_LIBRARY"
MODEL_VARIABLE = "SOUNDSEEK_MODEL"


def default_library() -> Path:
    """The user's library in the platform's data folder, such as ~/.local/share/soundseek/library.

    One for each user rather than one for each folder: what was indexed is found from anywhere.
    """
    return data_home() / "soundseek" / "library"


def demo_library(folder: Path, fingerprint: str) -> Path:
    """The library of a demonstration on the user's `folder`, outside of it.

    It is in $SOUNDSEEK_CACHE or the platform's cache folder, one for each folder and model.
    """
    import hashlib

    key = os.fsencode(folder.resolve()) + b"\0" + fingerprint.encode()
    return cache_folder() / "demo" / hashlib.sha256(key).hexdigest()[:16]
