"""One library for many threads: connections of their own, the model and the vectors shared."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from soundseek.errors import LibraryError
from soundseek.library import Library
from soundseek.library.database import DATABASE_FILE, Database
from soundseek.library.tables import Kept, SearchTables

if TYPE_CHECKING:
    from soundseek.bundle.runtime import Bundle
    from soundseek.library.listing import Listing

_MOST_IDLE: Final = 8
_PATIENCE_S: Final = 2.0


@dataclass(frozen=True, eq=False)
class _Opened:
    """A library as it was when it was opened, until it takes another model or is made anew."""

    file: tuple[int, int]
    mark: tuple[str, ...]
    bundle: Bundle
    tables: SearchTables
    listing: Kept[Listing] = field(default_factory=lambda: Kept(_PATIENCE_S))
    idle: list[Library] = field(default_factory=list)


class Libraries:
    """Lends a library to one thread at a time, and opens another one where all are lent.

    What another process commits is seen two seconds later, or a little more in a large library. One
    that was emptied for another model meanwhile, or replaced, is opened anew.
    """

    def __init__(
        self, folder: Path, *, model: Bundle | str | os.PathLike[str] | None = None
    ) -> None:
        """Open the library in `folder`; raises LibraryError or BundleError as `Library.open`."""
        self.folder = folder.absolute()
        self._model = model
        self._lock = threading.Lock()
        self._closed = False
        self._opened = self._open()

    @property
    def bundle(self) -> Bundle:
        """The model, which any number of threads may use."""
        return self._opened.bundle

    @contextmanager
    def borrowed(self) -> Iterator[Library]:
        """Lend a library, for one thread; raises LibraryError if it is gone or damaged."""
        opened, library = self._taken()
        try:
            yield library
        finally:
            with self._lock:
                keep = not self._closed and opened is self._opened and len(opened.idle) < _MOST_IDLE
                if keep:
                    opened.idle.append(library)
            if not keep:
                library.close()

    def listing(self, library: Library) -> Listing:
        """Return the files of a library that is lent."""
        from soundseek.library.listing import Listing

        database = library.database
        return self._opened.listing.at(database.revision(), lambda _: Listing.of(database))

    def close(self) -> None:
        """Close what is not lent now; what is, when it comes back."""
        with self._lock:
            self._closed = True
            idle = list(self._opened.idle)
            self._opened.idle.clear()
        for library in idle:
            library.close()

    def _taken(self) -> tuple[_Opened, Library]:
        with self._lock:
            if self._closed:
                raise LibraryError("the server is stopping", remedy="ask again in a moment")
            opened = self._opened
            library = opened.idle.pop() if opened.idle else None
        if library is None:
            library = self._another(opened)
        if _file(self.folder) == opened.file and _mark(library.database) == opened.mark:
            return opened, library
        library.close()
        with self._lock:
            if self._opened is opened:
                self._opened = self._open()
                for stale in opened.idle:
                    stale.close()
            opened = self._opened
        return opened, self._another(opened)

    def _another(self, opened: _Opened) -> Library:
        return Library.open(self.folder, bundle=opened.bundle, read_only=True, tables=opened.tables)

    def _open(self) -> _Opened:
        tables = SearchTables(patience_s=_PATIENCE_S, writes_cache=os.access(self.folder, os.W_OK))
        library = Library.open(self.folder, bundle=self._model, read_only=True, tables=tables)
        try:
            opened = _Opened(_file(self.folder), _mark(library.database), library.bundle, tables)
        except BaseException:
            library.close()
            raise
        opened.idle.append(library)
        return opened


def _file(folder: Path) -> tuple[int, int]:
    try:
        status = (folder / DATABASE_FILE).stat()
    except OSError as error:
        raise LibraryError(
            f"the library in {folder} is gone: {error.strerror or error}",
            remedy="mount its disk again, or index the sounds again",
        ) from error
    return status.st_dev, status.st_ino


def _mark(database: Database) -> tuple[str, ...]:
    """What tells a library from one that was made anew in its place."""
    rows = database.query(
        "SELECT value FROM meta WHERE key IN ('bundle_fingerprint', 'created') ORDER BY key"
    )
    return tuple(value for (value,) in rows)
