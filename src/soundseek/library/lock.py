"""One writer at a time: an operating system's lock, which ends with the process that holds it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from soundseek.errors import LibraryError

LOCK_FILE = "library.lock"


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Hold the right to write to the library in `folder`.

    Raises LibraryError naming the process that holds it, or if the folder cannot be written.
    """
    path = folder / LOCK_FILE
    try:
        # Never truncated on opening (another process's number is in it), never deleted (a process
        # that waits for the deleted file's lock would not see who takes the new one's).
        handle = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+", encoding="ascii")
    except OSError as error:
        raise LibraryError(
            f"cannot write to the library in {folder}: {error.strerror or error}",
            remedy="check the folder's permissions, or choose another one with --library",
        ) from error
    with handle:
        if not _taken(handle):
            holder = handle.read(32).strip() or "unknown"
            raise LibraryError(
                f"the library in {folder} is being written by another process (pid {holder})",
                remedy="wait until it is done, or stop it",
            )
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield  # closing the file gives the lock back


if sys.platform == "win32":

    def _taken(handle: IO[str]) -> bool:
        import msvcrt

        try:
            # A byte far behind the number: Windows would keep others from reading a locked one.
            os.lseek(handle.fileno(), 1 << 30, os.SEEK_SET)
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(handle.fileno(), 0, os.SEEK_SET)
        return True

else:

    def _taken(handle: IO[str]) -> bool:
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
