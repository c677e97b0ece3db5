"""Without the remarks of a library that are of no use here."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hushed(logger: str) -> Iterator[None]:
    """No warnings, and nothing below an error from the loggers under `logger`, for as long as the
    block lasts."""
    named = logging.getLogger(logger)
    level = named.level
    named.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        named.setLevel(level)
