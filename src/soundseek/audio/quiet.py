"""Silence for native libraries that write to the terminal behind Python's back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import UnsupportedOperation


@contextmanager
def native_messages_silenced() -> Iterator[None]:
    """Send to nowhere what C libraries print to standard error; Python's `sys.stderr` still prints.

    libsndfile's MP3 decoder comments on damaged files there and has no switch against it. The
    descriptor belongs to the whole process: enter this once, around a whole run over many files,
    and not in threads around each of them.
    """
    python_stderr = sys.stderr
    try:
        on_terminal = python_stderr is not None and python_stderr.fileno() == 2
    except (OSError, UnsupportedOperation, ValueError):
        on_terminal = False
    if python_stderr is not None:
        python_stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # closed: the next file to be opened would take its place, and the messages
        kept = None
    nowhere = os.open(os.devnull, os.O_WRONLY)
    own = None
    if on_terminal and kept is not None:
        own = os.fdopen(
            os.dup(kept),
            "w",
            buffering=1,
            encoding=python_stderr.encoding,
            errors="backslashreplace",
        )
        sys.stderr = own
    if nowhere != 2:
        os.dup2(nowhere, 2)
        os.close(nowhere)
    try:
        yield
    finally:
        if kept is None:
            os.close(2)
        else:
            os.dup2(kept, 2)
            os.close(kept)
        if own is not None:
            sys.stderr = python_stderr
            own.close()
