"""Derived sounds, peaks and pictures on disk: bounded, least recently used out first.

Any number of threads and processes may share the folder. An entry appears whole or not at all, and
may go at any time: what is lent is an open file, which outlives its name.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, cast

Write = Callable[[BinaryIO], None]

_PART: Final = ".part"
# Half-written files of a process that was killed are older than this.
_ABANDONED_S: Final = 3600.0
# After an eviction there is room again, so that not every new entry costs a look at all of them.
_LOW_WATER: Final = 0.9
_ENTRIES_BETWEEN_SCANS: Final = 200


class MediaCache:
    """Files by the name of what they hold. A folder that cannot be written caches nothing."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Keep at most about `max_bytes` in `folder`, which is made when it is needed."""
        self.folder = folder
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}
        self._bytes: int | None = None  # what is thought to be there; None: nobody looked yet
        self._since_scan = 0

    def found(self, kind: str, *parts: object) -> BinaryIO | None:
        """Return the entry of `kind` for `parts`, open for reading, if it is there."""
        return self._found(_name(kind, parts))

    def opened(self, kind: str, *parts: object, write: Write) -> BinaryIO:
        """Return the entry of `kind` (the name's ending) for `parts`, open for reading.

        Where it is missing, `write` is called with a file to write it to: once, however many
        threads ask for it at the same time. Whatever `write` raises passes through, and leaves
        nothing behind.
        """
        name = _name(kind, parts)
        if (found := self._found(name)) is not None:
            return found
        with self._lock:
            making = self._making.setdefault(name, threading.Lock())
        try:
            with making:
                return self._found(name) or self._made(name, write)
        finally:
            with self._lock:
                self._making.pop(name, None)

    def _found(self, name: str) -> BinaryIO | None:
        path = self.folder / name
        try:
            handle = path.open("rb")
        except OSError:
            return None
        # A power cut may leave a name without content.
        if os.fstat(handle.fileno()).st_size == 0:
            handle.close()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return handle

    def _made(self, name: str, write: Write) -> BinaryIO:
        part = self.folder / f"{name}.{os.getpid()}.{secrets.token_hex(8)}{_PART}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = part.open("xb+")
        except OSError:
            return _uncached(write)
        kept: BinaryIO = handle
        try:
            write(kept)
            kept.flush()
            size = kept.seek(0, os.SEEK_END)
            kept.seek(0)
            if os.name == "nt":  # an open file cannot be renamed there
                kept.close()
            part.replace(self.folder / name)
            if os.name == "nt":
                kept = (self.folder / name).open("rb")
        except BaseException:
            handle.close()
            with contextlib.suppress(OSError):
                part.unlink()
            raise
        self._account(size, name)
        return kept

    def _account(self, size: int, name: str) -> None:
        with self._lock:
            self._since_scan += 1
            if self._bytes is not None:
                self._bytes += size
            due = self._bytes is None or self._since_scan >= _ENTRIES_BETWEEN_SCANS
            if due or cast(int, self._bytes) > self.max_bytes:
                self._bytes = self._evict(keep=name)
                self._since_scan = 0

    def _evict(self, *, keep: str) -> int:
        """Delete what was used longest ago until there is room; returns how much is left."""
        entries: list[tuple[float, int, Path]] = []
        now = time.time()
        with contextlib.suppress(OSError), os.scandir(self.folder) as listing:
            for entry in listing:
                with contextlib.suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    if entry.name.endswith(_PART):
                        if now - status.st_mtime > _ABANDONED_S:
                            Path(entry.path).unlink()
                    else:
                        entries.append((status.st_mtime, status.st_size, Path(entry.path)))
        left = sum(size for _, size, _ in entries)
        if left <= self.max_bytes:
            return left
        for _, size, path in sorted(entries):
            if left <= self.max_bytes * _LOW_WATER:
                break
            if path.name == keep:
                continue
            with contextlib.suppress(OSError):
                path.unlink()
                left -= size
        return left


def _name(kind: str, parts: tuple[object, ...]) -> str:
    key = hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()
    return f"{key[:40]}.{kind}"


def _uncached(write: Write) -> BinaryIO:
    """Return what `write` writes in a file without a name: where there is no room to keep it."""
    handle = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
    try:
        write(handle)
        handle.seek(0)
    except BaseException:
        handle.close()
        raise
    return handle
