"""One process at a time in a folder: an operating system's lock, which ends with its holder."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from soundseek.errors import DataError

_POLL_S = 0.1


@contextmanager
def folder_lock(folder: Path, name: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock file `name` in `folder`, which is made if it is not there.

    The file stays behind: deleting it would part those who wait for it from those who come later.
    Raises `DataError` when another process holds it, unless told to `wait` for it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while not _taken(descriptor):
            if wait:
                time.sleep(_POLL_S)
                continue
            raise DataError(
                f"another process is working in {folder}", remedy="wait until it is done"
            )
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":

    def _taken(descriptor: int) -> bool:
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:

    def _taken(descriptor: int) -> bool:
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
