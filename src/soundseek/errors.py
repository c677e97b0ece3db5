"""The errors that soundseek raises on purpose.

Every message says what is wrong, which value, where, and what to do about it. The command line
prints the message alone and exits with 2; anything else that escapes is a bug and keeps its
traceback.
"""

from __future__ import annotations


class SoundseekError(Exception):
    """Base of all deliberate errors: a sentence for the user, and a remedy where there is one."""

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message if remedy is None else f"{message}\n  → {remedy}")
        self.message = message
        self.remedy = remedy


class AudioError(SoundseekError):
    """A sound that cannot be read: names the file and, where it applies, the time in it."""


class BundleError(SoundseekError):
    """A model bundle that is missing, damaged, too new, or does not fit its use."""


class LibraryError(SoundseekError):
    """A library that is missing, damaged, locked, too new, or made with another model."""


class QueryError(SoundseekError):
    """A query that cannot be answered: empty, over the limit, contradictory filters."""


class DataError(SoundseekError):
    """A corpus, manifest or evaluation file that does not hold what it must."""


class RecipeError(SoundseekError):
    """A recipe with unknown keys or impossible values; lists every problem at once."""
