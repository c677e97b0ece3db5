"""One library for many threads: connections of their own, the model and the vectors shared."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from soundseek.library import Library
from soundseek.library.database import DATABASE_FILE

if TYPE_CHECKING:
    from soundseek.bundle.runtime import Bundle

_MOST_IDLE = 8


class Libraries:
    """Lends a library to one thread at a time; opens another one where all are lent."""

    def __init__(
        self, folder: Path, *, model: Bundle | str | os.PathLike[str] | None = None
    ) -> None:
        """Open the library in `folder`; raises LibraryError or BundleError as `Library.open`."""
        self.folder = folder.absolute()
        self._model = model
        self._lock = threading.Lock()
        self._idle: list[Library] = []
        self._closed = False
        first = self._opened()
        self.bundle = first.bundle
        self._identity = self._present_identity()
        self._idle.append(first)

    def _opened(self) -> Library:
        return Library.open(self.folder, bundle=self._model, read_only=True)

    def _present_identity(self) -> tuple[int, int]:
        status = (self.folder / DATABASE_FILE).stat()
        return status.st_dev, status.st_ino

    @contextmanager
    def borrowed(self) -> Iterator[Library]:
        """Lend a library; for one thread."""
        with self._lock:
            library = self._idle.pop() if self._idle else None
        if library is None:
            library = Library.open(self.folder, bundle=self.bundle, read_only=True)
        try:
            yield library
        finally:
            with self._lock:
                keep = not self._closed and len(self._idle) < _MOST_IDLE
                if keep:
                    self._idle.append(library)
            if not keep:
                library.close()

    def close(self) -> None:
        """Close what is not lent now; what is, when it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for library in idle:
            library.close()
