"""Threads that read files: hash, decode, cut into windows, embed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from soundseek.audio.decode import probe, stream
from soundseek.audio.source import printable
from soundseek.audio.windows import iter_windows
from soundseek.bundle.runtime import Bundle
from soundseek.errors import AudioError
from soundseek.library.batches import Clip, WindowBatch
from soundseek.library.hashing import content_hash
from soundseek.library.outcomes import Crashed, Known, Outcome, Unreadable
from soundseek.library.scan import Found


class Contents:
    """Which contents need no embedding: those stored, and those that a thread works on."""

    def __init__(self, stored: set[bytes]) -> None:
        """`stored` are the content hashes in the library."""
        self._stored = stored
        self._claimed: set[bytes] = set()
        self._lock = threading.Lock()

    def claim(self, digest: bytes) -> bool:
        """Return whether the caller is the first, who has to embed the content."""
        with self._lock:
            if digest in self._stored or digest in self._claimed:
                return False
            self._claimed.add(digest)
            return True

    def store(self, digest: bytes) -> None:
        """Note that a claimed content has been embedded."""
        with self._lock:
            self._claimed.discard(digest)
            self._stored.add(digest)

    def release(self, digest: bytes) -> None:
        """Let another file with the content try: this one could not be read after all."""
        with self._lock:
            self._claimed.discard(digest)

    def is_stored(self, digest: bytes) -> bool:
        """Return whether the content has been embedded."""
        with self._lock:
            return digest in self._stored

    def is_claimed(self, digest: bytes) -> bool:
        """Return whether a thread works on the content."""
        with self._lock:
            return digest in self._claimed


class Readers:
    """A pool of reading threads: files go in by `submit`, one outcome for each comes out.

    Every thread takes a file through all steps and gathers its own batches: nothing is handed
    between threads, and each holds no more than one batch and a few decoded blocks, however
    long the files are.
    """

    def __init__(self, bundle: Bundle, contents: Contents, threads: int) -> None:
        """Start `threads` threads; `bundle` should run its network on few threads itself."""
        self.outcomes: SimpleQueue[Outcome | Crashed] = SimpleQueue()
        self._jobs: SimpleQueue[Found | None] = SimpleQueue()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._work, args=(bundle, contents), name=f"soundseek-reader-{n}"
            )
            for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, file: Found) -> None:
        """Have a file read."""
        self._jobs.put(file)

    def stop(self) -> None:
        """End the threads, leaving files unread; what they finished is in `outcomes`."""
        self._stopping.set()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self, bundle: Bundle, contents: Contents) -> None:
        try:
            batch = WindowBatch(bundle, self.outcomes.put)
            while (file := self._next(batch)) is not None:
                _Reading(file, bundle, contents, batch, self._stopping.is_set).run(
                    self.outcomes.put
                )
        except BaseException as error:  # reported by whoever reads the outcomes
            self.outcomes.put(Crashed(error))

    def _next(self, batch: WindowBatch) -> Found | None:
        """Return the next file; before waiting for one, finish what has been gathered."""
        try:
            file = self._jobs.get_nowait()
        except Empty:
            batch.flush()
            file = self._jobs.get()
        return None if self._stopping.is_set() else file


class _Reading:
    """One file on its way from the disk into the batch."""

    def __init__(
        self,
        file: Found,
        bundle: Bundle,
        contents: Contents,
        batch: WindowBatch,
        stopping: Callable[[], bool],
    ) -> None:
        self._file = file
        self._audio = bundle.manifest.audio
        self._contents = contents
        self._batch = batch
        self._stopping = stopping
        self._samples = 0

    def run(self, deliver: Callable[[Outcome], None]) -> None:
        """Deliver the file's outcome now, or leave it to the batch."""
        file = self._file
        try:
            digest = content_hash(file.path)
            if reason := _altered(file):
                deliver(Unreadable(file, reason, None))
            elif file.size == 0:
                deliver(Unreadable(file, "is empty (0 bytes)", digest))
            elif self._contents.claim(digest):
                self._embed(digest, deliver)
            else:
                deliver(Known(file, digest))
        except (OSError, ValueError) as error:
            deliver(Unreadable(file, getattr(error, "strerror", None) or str(error), None))

    def _embed(self, digest: bytes, deliver: Callable[[Outcome], None]) -> None:
        file, audio = self._file, self._audio
        try:
            clip = Clip(file, digest, probe(file.path))
        except AudioError as error:
            deliver(Unreadable(file, _without_path(error, file.path), digest))
            return
        windows = iter_windows(
            self._counted(stream(file.path, audio.sample_rate)),
            audio.sample_rate,
            audio.window_samples,
            audio.hop_samples,
        )
        try:
            for window in windows:
                self._batch.add(clip, window)
                if self._stopping():
                    return  # half a sound is no sound: it stays unread
        except AudioError as error:
            failure: str | None = _without_path(error, file.path)
        else:
            failure = _altered(file)
        seconds = self._samples / audio.sample_rate
        self._batch.finish(clip, duration_s=seconds, failure=failure)

    def _counted(self, blocks: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        for block in blocks:
            self._samples += block.size
            yield block


def _altered(file: Found) -> str | None:
    """Return what happened to the file since the scan; None if it is the same."""
    try:
        status = os.stat(file.path)  # noqa: PTH116
    except OSError as error:
        return f"vanished while it was being read ({error.strerror})"
    if (status.st_size, status.st_mtime_ns) == (file.size, file.mtime_ns):
        return None
    return "changed while it was being read"


def _without_path(error: AudioError, path: str) -> str:
    return error.message.removeprefix(f"{printable(Path(path))}: ")
