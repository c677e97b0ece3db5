"""Where the user's library is, and where a demonstration keeps its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

LIBRARY_VARIABLE = "SOUNDSEEK_LIBRARY"
MODEL_VARIABLE = "SOUNDSEEK_MODEL"


def default_library() -> Path:
    """The user's library in the platform's data folder, such as ~/.local/share/soundseek/library.

    One for each user rather than one for each folder: what was indexed is found from anywhere.
    """
    return _home("XDG_DATA_HOME", ".local/share", "Application Support") / "soundseek" / "library"


def demo_library(folder: Path, fingerprint: str) -> Path:
    """The library of a demonstration on the user's `folder`, outside of it.

    It is in $SOUNDSEEK_CACHE or the platform's cache folder, one for each folder and model.
    """
    import hashlib

    key = os.fsencode(folder.resolve()) + b"\0" + fingerprint.encode()
    chosen = os.environ.get("SOUNDSEEK_CACHE")
    root = (
        Path(chosen).expanduser()
        if chosen
        else _home("XDG_CACHE_HOME", ".cache", "Caches") / "soundseek"
    )
    return root / "demo" / hashlib.sha256(key).hexdigest()[:16]


def _home(variable: str, below_home: str, on_macos: str) -> Path:
    if sys.platform == "win32":
        value = os.environ.get("LOCALAPPDATA")
        return Path(value) if value else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / on_macos
    value = os.environ.get(variable)
    return Path(value) if value else Path.home() / below_home
