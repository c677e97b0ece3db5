"""soundseek: find any sound by describing it.

    >>> import soundseek
    >>> bundle = soundseek.load_bundle()
    >>> vectors = bundle.encode_audio(["rain.wav", "dog.mp3"])
    >>> soundseek.Library.open("library").search("rain on a tin roof", k=10)

Names are imported when they are first used, so that `import soundseek` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundseek.errors import SoundseekError

if TYPE_CHECKING:
    from soundseek.bundle.captioning.captioner import Caption, Captioner
    from soundseek.bundle.captioning.decoding import Decoding
    from soundseek.bundle.captioning.load import load_captioner
    from soundseek.bundle.load import load_bundle
    from soundseek.bundle.runtime import Bundle
    from soundseek.library import Library

__version__ = "0.1.0"

__all__ = [
    "Bundle",
    "Caption",
    "Captioner",
    "Decoding",
    "Library",
    "SoundseekError",
    "__version__",
    "load_bundle",
    "load_captioner",
]

_HOMES = {
    "Bundle": "soundseek.bundle.runtime",
    "Caption": "soundseek.bundle.captioning.captioner",
    "Captioner": "soundseek.bundle.captioning.captioner",
    "Decoding": "soundseek.bundle.captioning.decoding",
    "Library": "soundseek.library",
    "load_bundle": "soundseek.bundle.load",
    "load_captioner": "soundseek.bundle.captioning.load",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'soundseek' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
