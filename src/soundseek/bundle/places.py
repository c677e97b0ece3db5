"""Where bundles live on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def embedded_folder() -> Path:
    """The folder of the bundles that ship inside the package, and of the file DEFAULT."""
    return Path(__file__).resolve().parents[1] / "models"


def user_folder() -> Path:
    """The user's bundles: $SOUNDSEEK_MODELS, or "models" in the platform's data folder."""
    chosen = os.environ.get("SOUNDSEEK_MODELS")
    return Path(chosen).expanduser() if chosen else _data_home() / "soundseek" / "models"


def unpacked_folder() -> Path:
    """Unpacked .soundseek files: $SOUNDSEEK_CACHE, or the platform's cache folder."""
    chosen = os.environ.get("SOUNDSEEK_CACHE")
    root = Path(chosen).expanduser() if chosen else _cache_home() / "soundseek"
    return root / "bundles"


def _data_home() -> Path:
    if sys.platform == "win32":
        return _from_environment("LOCALAPPDATA", "AppData/Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return _from_environment("XDG_DATA_HOME", ".local/share")


def _cache_home() -> Path:
    if sys.platform == "win32":
        return _from_environment("LOCALAPPDATA", "AppData/Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return _from_environment("XDG_CACHE_HOME", ".cache")


def _from_environment(variable: str, below_home: str) -> Path:
    value = os.environ.get(variable)
    return Path(value) if value else Path.home() / below_home
