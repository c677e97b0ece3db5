"""An index run: scan, compare, read, write; may be stopped or killed at any moment."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING

import numpy as np

from soundseek.audio.source import printable
from soundseek.bundle.load import load_bundle
from soundseek.bundle.network import usable_processors
from soundseek.errors import LibraryError
from soundseek.library.captions import encode_waiting
from soundseek.library.database import Database
from soundseek.library.lock import writer_lock
from soundseek.library.outcomes import Crashed, Embedded, Known, Outcome, Unreadable
from soundseek.library.plan import is_gone, make_plan
from soundseek.library.reading import Contents, Readers
from soundseek.library.reports import Failure, IndexReport, OnProgress, Progress
from soundseek.library.scan import EXTENSIONS, Found, Scan, scan
from soundseek.library.schema import join_tags
from soundseek.library.writer import Writer, drop_clips_without_files

if TYPE_CHECKING:
    from soundseek.bundle.runtime import Bundle
    from soundseek.library.library import Library

_STOP_POLL_S = 0.1


def index(
    library: Library,
    roots: Sequence[str],
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
    """Bring a library up to date; see `Library.index`."""
    started = time.monotonic()
    database = library.database
    if threads is not None and threads < 1:
        raise LibraryError(f"threads is {threads}", remedy="give a number of at least 1")
    with writer_lock(library.folder):
        tops, lost = (_absolute(roots), []) if roots else _known_roots(database)
        found = scan(tops, include=include, exclude=exclude, skip=str(library.folder))
        plan = make_plan(database, tops, found.files, read_all=rebuild, retry_failed=retry_failed)
        if not found.files and not plan.gone:
            raise _no_sounds(tops, found, filtered=bool(include or exclude))
        writer = Writer(database, tags=None if tags is None else join_tags(tags), replace=rebuild)
        writer.begin(plan)
        _remember_roots(database, tops)
        interrupted = False
        if plan.to_read:
            contents = Contents(set() if rebuild else _stored_contents(database))
            readers = _readers(library.bundle, contents, len(plan.to_read), threads)
            run = _Run(writer, contents, on_progress)
            interrupted = run.read(plan.to_read, readers, should_stop)
        drop_clips_without_files(database)
        encode_waiting(library)
    return IndexReport(
        added=writer.counts["added"],
        unchanged=writer.counts["unchanged"],
        moved=writer.counts["moved"],
        changed=writer.counts["changed"],
        missing=len(writer.gone),
        failed=(*lost, *found.problems, *writer.failures),
        duration_s=writer.duration_s,
        seconds=time.monotonic() - started,
        interrupted=interrupted,
    )


class _Run:
    """Feeds the readers and takes their outcomes to the writer."""

    def __init__(self, writer: Writer, contents: Contents, on_progress: OnProgress | None) -> None:
        self._writer = writer
        self._contents = contents
        self._on_progress = on_progress
        self._waiting: defaultdict[bytes, list[Found]] = defaultdict(list)
        self._total = 0
        self._done = 0
        self._failed = 0
        self._audio_s = 0.0

    def read(
        self, files: Sequence[Found], readers: Readers, should_stop: Callable[[], bool] | None
    ) -> bool:
        """Read all files and end the readers; returns whether it was stopped before the end."""
        self._total = len(files)
        try:
            for file in files:
                readers.submit(file)
            while self._done < self._total and not (should_stop is not None and should_stop()):
                with contextlib.suppress(Empty):
                    self._take(readers.outcomes.get(timeout=_STOP_POLL_S), readers)
                self._writer.flush_if_due()
        except KeyboardInterrupt:
            pass  # told by what is not done
        finally:
            readers.stop()
        with contextlib.suppress(Empty):
            while True:  # what the threads finished while they were stopping
                self._take(readers.outcomes.get_nowait(), readers)
        self._writer.flush()
        return self._done < self._total

    def _take(self, outcome: Outcome | Crashed, readers: Readers) -> None:
        if isinstance(outcome, Crashed):
            raise outcome.error
        digest = outcome.content_hash
        if isinstance(outcome, Known) and not self._contents.is_stored(outcome.content_hash):
            if self._contents.is_claimed(outcome.content_hash):
                self._waiting[outcome.content_hash].append(outcome.file)
            else:  # whoever worked on it failed in the meantime
                readers.submit(outcome.file)
            return
        self._settle(outcome)
        if digest is None:
            return
        if isinstance(outcome, Embedded):
            self._contents.store(digest)
            for file in self._waiting.pop(digest, ()):
                self._settle(Known(file, digest))
        elif isinstance(outcome, Unreadable):
            self._contents.release(digest)
            for file in self._waiting.pop(digest, ()):
                readers.submit(file)

    def _settle(self, outcome: Outcome) -> None:
        self._writer.add(outcome)
        self._done += 1
        self._failed += isinstance(outcome, Unreadable)
        if isinstance(outcome, Embedded):
            self._audio_s += outcome.duration_s
        if self._on_progress is not None:
            path = outcome.file.path
            reason = outcome.reason if isinstance(outcome, Unreadable) else None
            self._on_progress(
                Progress(self._done, self._total, path, self._audio_s, self._failed, reason)
            )


def _readers(bundle: Bundle, contents: Contents, n_files: int, threads: int | None) -> Readers:
    """Start the threads; few files leave processors over, which the network may use."""
    processors = threads or usable_processors()
    readers = min(processors, n_files)
    own = load_bundle(bundle.folder, threads=max(1, processors // readers))
    # Open the network here and now: once, and with its errors if it does not work.
    length = own.manifest.audio.window_samples
    own.embed_windows(np.zeros((1, length), np.float32), [length])
    return Readers(own, contents, readers)


def _absolute(roots: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(os.path.abspath(root) for root in roots))  # noqa: PTH100 - not resolved


def _known_roots(database: Database) -> tuple[list[str], list[Failure]]:
    """Return the roots of earlier runs, and those that are gone, such as an unplugged disk.

    What the library holds of the latter stays as it is.
    """
    roots: list[str] = json.loads(database.meta()["roots"])
    if not roots:
        raise LibraryError(
            f"the library {database.path} has no folders yet",
            remedy="say which one to index: soundseek index FOLDER",
        )
    gone = [root for root in roots if is_gone(root)]
    if gone == roots:
        names = ", ".join(printable(Path(root)) for root in gone)
        raise LibraryError(
            f"there is no {names} any more",
            remedy="connect the disk, say where the sounds are now (soundseek index FOLDER), or "
            "forget them (soundseek library remove PATH)",
        )
    lost = [Failure(root, "is gone; to forget it: soundseek library remove") for root in gone]
    return [root for root in roots if root not in gone], lost


def _remember_roots(database: Database, roots: Sequence[str]) -> None:
    known: list[str] = json.loads(database.meta()["roots"])
    together = sorted({*known, *roots})
    outermost = [
        root
        for root in together
        if not any(root.startswith(other.rstrip(os.sep) + os.sep) for other in together)
    ]
    if outermost != known:
        with database.transaction():
            database.next_revision()
            database.set_meta({"roots": json.dumps(outermost)})


def _stored_contents(database: Database) -> set[bytes]:
    return {digest for (digest,) in database.query("SELECT content_hash FROM clips")}


def _no_sounds(roots: Sequence[str], found: Scan, *, filtered: bool) -> LibraryError:
    where = ", ".join(printable(Path(root)) for root in roots)
    reasons = "; ".join(f"{printable(Path(p.path))}: {p.reason}" for p in found.problems[:3])
    return LibraryError(
        f"no sounds in {where}" + (f" ({reasons})" if reasons else ""),
        remedy=("check --include and --exclude; " if filtered else "")
        + f"looked for files ending in {' '.join(sorted(EXTENSIONS))}",
    )
