"""The class `Library`: a thin face over the modules of this package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from os import fspath
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, Unpack

from soundseek.library.database import Database
from soundseek.library.query import AnyPath, SearchOptions, as_list

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from soundseek.bundle.runtime import Bundle
    from soundseek.library.caption_files import Row
    from soundseek.library.captioning import Captioning
    from soundseek.library.captions import StoredCaption
    from soundseek.library.duplicates import DuplicateGroup
    from soundseek.library.hits import Hit, Moment, Page
    from soundseek.library.reports import (
        AddedCaptions,
        CaptionReport,
        Failure,
        IndexReport,
        OnProgress,
        Status,
        VerifyReport,
    )
    from soundseek.library.search import Searcher
    from soundseek.library.tables import SearchTables


class Library:
    """A folder with an index of sounds. Open one with `Library.open`.

    Any number of processes may search while one indexes. A library belongs to one model: vectors
    of two models cannot be compared. For one thread at a time.

    Attributes:
        folder: where the library is (the sounds stay where they are).
        database: its tables.
    """

    def __init__(
        self,
        folder: Path,
        database: Database,
        bundle: Bundle | None,
        tables: SearchTables | None = None,
    ) -> None:
        """Use `Library.open`. `bundle` None: found when it is first needed."""
        self.folder = folder
        self.database = database
        self._bundle = bundle
        self._tables = tables

    @classmethod
    def open(
        cls,
        path: AnyPath,
        *,
        bundle: Bundle | AnyPath | None = None,
        create: bool = False,
        read_only: bool = False,
        rebuild: bool = False,
        tables: SearchTables | None = None,
    ) -> Library:
        """Open the library in the folder `path`; with `create`, make it if there is none.

        `bundle` is the model, its name or its path; None is the one that made the library, or the
        embedded one for a new library. `rebuild` opens even what is damaged, or was made with
        another model, by emptying it: the sounds must be indexed again. Tags are kept if the
        database can be read; one that cannot is put aside as library.db.old. `tables` is what
        searches keep in memory, where the libraries of several threads, one each, share it.

        Raises LibraryError if there is no library (and `create` is off), it is damaged, newer than
        this program, or made with another model; BundleError if the model cannot be loaded.
        """
        from soundseek.library.opening import open_library

        folder = Path(path).absolute()
        database, loaded = open_library(
            folder, bundle, create=create, read_only=read_only, rebuild=rebuild
        )
        return cls(folder, database, loaded, tables)

    @property
    def bundle(self) -> Bundle:
        """The model of this library; LibraryError if it is not on this machine."""
        if self._bundle is None:
            from soundseek.library.opening import bundle_of

            self._bundle = bundle_of(self.database)
        return self._bundle

    @property
    def cache_folder(self) -> Path:
        """Where derived files are; it may be deleted at any time."""
        return self.folder / "cache"

    def index(
        self,
        roots: Sequence[AnyPath] | AnyPath,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        tags: Sequence[str] | None = None,
        rebuild: bool = False,
        retry_failed: bool = False,
        threads: int | None = None,
        on_progress: OnProgress | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> IndexReport:
        """Bring the library up to date with the folders and files `roots`; () for known roots.

        Unchanged files are not read. `include` and `exclude` are globs on file names, or on paths
        below the root if they contain "/". `tags` replaces the tags of all files found; None
        leaves them. `rebuild` embeds again every file that it finds. `retry_failed` reads files
        again that could not be read before. `threads` is how many files are read at once; None is
        one for each processor. A KeyboardInterrupt while files are read, or `should_stop` (asked
        often) returning true, ends the run early and keeps what is done.

        Raises LibraryError if a root is missing, holds no sounds, the library is being written by
        another process, or the disk is full.
        """
        from soundseek.library.indexer import index

        return index(
            self,
            [fspath(root) for root in as_list(roots)],
            include=as_list(include),
            exclude=as_list(exclude),
            tags=None if tags is None else as_list(tags),
            rebuild=rebuild,
            retry_failed=retry_failed,
            threads=threads,
            on_progress=on_progress,
            should_stop=should_stop,
        )

    def caption(
        self,
        captioner: Captioning,
        *,
        again: bool = False,
        on_progress: OnProgress | None = None,
    ) -> CaptionReport:
        """Write a caption for every clip that has none of this captioner, from stored vectors.

        Nothing is listened to. A clip has one generated caption: that of another captioner (by
        fingerprint) is replaced, and with `again` every one is. What people wrote stays. Captions
        are committed every few clips; a run that was stopped or killed goes on with the next one.
        A KeyboardInterrupt ends it early and keeps what is done.

        Raises LibraryError if the captioner reads vectors of another model than this library's,
        the library is being written by another process, or the disk is full.
        """
        from soundseek.library.captioning import caption_library

        return caption_library(self, captioner, again=again, on_progress=on_progress)

    def add_captions(self, rows: Iterable[Row], *, again: bool = False) -> AddedCaptions:
        """Store what people wrote of files: rows of (path, caption or captions).

        A path is absolute, relative to the current folder, or the last parts of one (a file's
        name), if only one sound has it. Files that are not found are listed in the report and stop
        nothing. Captions hang on the content of a file: copies share them, a moved file keeps
        them, one with new content does not. `again` replaces what the named files have by people.

        Raises LibraryError if the library is being written by another process, or the disk is
        full.
        """
        from soundseek.library.caption_files import add_captions

        return add_captions(self, rows, again=again)

    def captions(self, path: AnyPath) -> list[StoredCaption]:
        """Return the captions of a file, the user's first, each in the order in which they came.

        Raises LibraryError if the file is not in the library.
        """
        from soundseek.library.captions import captions_of

        return captions_of(self.database, path)

    @cached_property
    def _searcher(self) -> Searcher:
        from soundseek.library.search import Searcher

        return Searcher(self.database, self.bundle, self.cache_folder, self._tables)

    def search(self, text: str | None = None, **options: Unpack[SearchOptions]) -> list[Hit]:
        """Return the clips that fit best, best first: at most `k`, 10 if not given.

        What fits is described by `text`, or shown by a sound that it is `like`, or both;
        `without` describes what should not be heard. `min_duration`, `max_duration` (seconds),
        `folders` and `formats` narrow the choice first; `hybrid=False` ignores names, tags and
        captions, `captions_weight=0` captions alone.
        All of it: `soundseek.library.query.SearchOptions`, `soundseek.library.search`.

        Raises QueryError for a query that cannot be answered, AudioError if `like` cannot be
        read, LibraryError if the library is damaged.
        """
        return self._searcher.search(text, **options)

    def page(self, text: str | None = None, **options: Unpack[SearchOptions]) -> Page:
        """Return the hits of `search` from `offset` on, and how many sounds are ranked."""
        return self._searcher.page(text, **options)

    def pages(self, texts: Sequence[str], **options: Unpack[SearchOptions]) -> list[Page]:
        """Return the pages of several texts under the same conditions; see `page`."""
        return self._searcher.pages(as_list(texts), **options)

    def search_many(
        self, texts: Sequence[str], **options: Unpack[SearchOptions]
    ) -> list[list[Hit]]:
        """Return the hits of several texts under the same conditions; see `search`."""
        return self._searcher.search_many(as_list(texts), **options)

    def clip_vector(self, path: AnyPath) -> npt.NDArray[np.float32]:
        """Return the vector [dimension] of a file as it was indexed, to search for what is `like`
        it; nothing is read but the library. Raises LibraryError if the file is not in it.
        """
        from soundseek.library.stored import clip_vector

        return clip_vector(self.database, path)

    def moments(self, path: AnyPath, text: str, *, k: int = 5) -> list[Moment]:
        """Return where in the file at `path` the text fits best; the file need not be indexed."""
        from soundseek.library.moments import find_moments

        return find_moments(self.bundle, path, text, k=k, database=self.database)

    def duplicates(self, *, threshold: float = 0.99) -> list[DuplicateGroup]:
        """Return groups of present files with the same content, or sounding nearly the same."""
        from soundseek.library.duplicates import find_duplicates

        return find_duplicates(self.database, threshold=threshold)

    def export(
        self,
        destination: AnyPath,
        *,
        format: Literal["csv", "json", "jsonl", "npz"] = "csv",  # noqa: A002
    ) -> int:
        """Write the whole library to a file; returns how many clips."""
        from soundseek.library.export import export_library

        return export_library(self.database, destination, format=format)

    def status(self) -> Status:
        """Return what the library holds."""
        from soundseek.library.upkeep import status

        return status(self.folder, self.database)

    def failures(self) -> list[Failure]:
        """Return the files that could not be read, by path."""
        from soundseek.library.upkeep import failures

        return failures(self.database)

    def verify(self, *, deep: bool = False) -> VerifyReport:
        """Check the database and that its files are there; `deep` reads and hashes them all."""
        from soundseek.library.upkeep import verify

        return verify(self.database, deep=deep)

    def remove(self, paths_or_globs: Sequence[AnyPath] | AnyPath, *, missing: bool = False) -> int:
        """Forget files (the sounds themselves stay); returns how many.

        A glob matches whole paths; a folder stands for everything below it, and is no longer
        among the known roots. `missing` forgets every file that is gone, too. Raises LibraryError
        for an empty path, and as `index` does.
        """
        from soundseek.library.upkeep import remove

        return remove(self.folder, self.database, as_list(paths_or_globs), missing=missing)

    def close(self) -> None:
        """Give the database back; may be called twice."""
        self.__dict__.pop("_searcher", None)
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
