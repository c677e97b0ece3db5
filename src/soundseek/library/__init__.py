"""The library: index folders of sounds, search them, keep them in order. Never needs torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soundseek.library.library import Library

__all__ = ["Library"]


def __getattr__(name: str) -> object:
    if name != "Library":
        raise AttributeError(f"module 'soundseek.library' has no attribute {name!r}")
    from soundseek.library.library import Library

    globals()[name] = Library
    return Library
