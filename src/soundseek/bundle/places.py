"""Where bundles, and everything else of the user's, live on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from soundseek.errors import SoundseekError


def embedded_folder() -> Path:
    """The folder of the bundles that ship inside the package, and of the file DEFAULT."""
    return Path(__file__).resolve().parents[1] / "models"


def user_folder() -> Path:
    """The user's bundles: $SOUNDSEEK_MODELS, or "models" in the platform's data folder."""
    chosen = os.environ.get("SOUNDSEEK_MODELS")
    return expanded(chosen) if chosen else data_home() / "soundseek" / "models"


def unpacked_folder() -> Path:
    """Unpacked .soundseek files: below `cache_folder`."""
    return cache_folder() / "bundles"


def cache_folder() -> Path:
    """What can be made again: $SOUNDSEEK_CACHE, or "soundseek" in the platform's cache folder."""
    chosen = os.environ.get("SOUNDSEEK_CACHE")
    return expanded(chosen) if chosen else cache_home() / "soundseek"


def data_home() -> Path:
    """The platform's folder for users' data, such as ~/.local/share."""
    if sys.platform == "win32":
        return _from_environment("LOCALAPPDATA", "AppData/Local")
    if sys.platform == "darwin":
        return _home() / "Library" / "Application Support"
    return _from_environment("XDG_DATA_HOME", ".local/share")


def cache_home() -> Path:
    """The platform's folder for what can be made again, such as ~/.cache."""
    if sys.platform == "win32":
        return _from_environment("LOCALAPPDATA", "AppData/Local")
    if sys.platform == "darwin":
        return _home() / "Library" / "Caches"
    return _from_environment("XDG_CACHE_HOME", ".cache")


def expanded(path: str | os.PathLike[str]) -> Path:
    """Return a path with ~ replaced by the home folder; ~ of an unknown user stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - that of Path raises RuntimeError


def _from_environment(variable: str, below_home: str) -> Path:
    value = os.environ.get(variable)
    return Path(value) if value else _home() / below_home


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:  # a process in a container whose user is only a number
        raise SoundseekError(
            "this user has no home folder",
            remedy="set HOME, or all of SOUNDSEEK_LIBRARY, SOUNDSEEK_MODELS and SOUNDSEEK_CACHE",
        ) from error
