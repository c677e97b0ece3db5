"""What the requests of a server share: the library, known roots, and the parts around them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from anyio import CapacityLimiter

from soundseek.errors import SoundseekError
from soundseek.serve.decode_slots import DecodeSlots
from soundseek.serve.media_cache import MediaCache
from soundseek.serve.problems import Problem
from soundseek.serve.settings import Settings
from soundseek.serve.stored_files import StoredFile, check_on_disk, find_file, opened

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from soundseek.bundle.runtime import Bundle
    from soundseek.library import Library
    from soundseek.library.listing import Listing
    from soundseek.serve.libraries import Libraries


class Uploads(Protocol):
    """Sounds that clients sent, kept for a while as vectors."""

    def vector(self, upload_id: str) -> npt.NDArray[np.float32]:
        """Return the L2-normalised vector [dimension]; Problem 404 for one that is not there."""

    def close(self) -> None:
        """Forget them all."""


class Jobs(Protocol):
    """Indexing on behalf of clients."""

    def running(self) -> int:
        """Return how many jobs are running or waiting."""

    def close(self) -> None:
        """Stop them: what they have committed is kept."""


class ServerState:
    """One for a server. Every method may be called from any thread.

    Attributes:
        folder: the library's.
        settings: how the server is set up.
        cache_folder: for what can be made again from the library's sounds.
        uploads: None until the part that keeps them is there (`soundseek.serve.app.PARTS`).
        jobs: likewise.
        decodes: threads for decoding, shared by all that decode.
        media_cache: what was made of the library's sounds.
        stopping: set when the server is about to end; whatever goes on and on looks at it.
        search_slots: lets so many requests search at once (`soundseek.serve.access.searched`).
    """

    def __init__(self, libraries: Libraries, settings: Settings) -> None:
        """Use `soundseek.serve.app.create_app`."""
        self._libraries = libraries
        self.settings = settings
        self.folder = libraries.folder
        self.cache_folder = cache_folder_of(libraries.folder)
        self.uploads: Uploads | None = None
        self.jobs: Jobs | None = None
        self.decodes = DecodeSlots(settings.concurrent_decodes)
        self.media_cache = MediaCache(self.cache_folder, settings.media_cache_bytes)
        self.stopping = threading.Event()
        self.search_slots = CapacityLimiter(settings.concurrent_searches)

    def library(self) -> AbstractContextManager[Library]:
        """Borrow a library to read from, for one thread: `with state.library() as library`."""
        return self._libraries.borrowed()

    @property
    def bundle(self) -> Bundle:
        """The library's model, safe to be used from several threads."""
        return self._libraries.bundle

    def file(self, file_id: str) -> StoredFile:
        """Return a present file of the library that lies on the disk as it was indexed.

        Raises Problem 422 for what is no id, 404 for one that no present file has, 409 if the file
        has changed since, or is gone.
        """
        file = self.known(file_id)
        check_on_disk(file)
        return file

    def known(self, file_id: str) -> StoredFile:
        """Return a present file as the library knows it, without looking at the disk."""
        with self.library() as library:
            return find_file(library.database, file_id)

    @contextmanager
    def opened(self, file_id: str) -> Iterator[tuple[StoredFile, BinaryIO]]:
        """Open the very file that was indexed; raises as `file` does."""
        file = self.known(file_id)
        with opened(file) as handle:
            yield file, handle

    def listing(self, library: Library) -> Listing:
        """Return the files of a borrowed library, all of them."""
        return self._libraries.listing(library)

    def roots(self) -> list[Path]:
        """Return what may be indexed: the library's roots, then those of the settings."""
        import json

        with self.library() as library:
            known = json.loads(library.database.meta()["roots"])
        paths = [*map(Path, known), *(root.absolute() for root in self.settings.roots)]
        return list(dict.fromkeys(paths))

    def upload_vector(self, upload_id: str) -> npt.NDArray[np.float32]:
        """Return the vector [dimension] of a sound that was sent; Problem 404 if there is none."""
        if self.uploads is None:
            raise Problem(404, f"there is no upload {upload_id}", remedy="send the sound again")
        return self.uploads.vector(upload_id)

    def warm(self) -> None:
        """Do once what the first search would wait for; what fails will fail there, and be told."""
        with contextlib.suppress(SoundseekError), self.library() as library:
            library.search("a sound", k=1)
            self.listing(library)

    def close(self) -> None:
        """Stop jobs, forget uploads, give the library back; may be called twice."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._libraries.close)
            for part in (self.uploads, self.jobs):
                if part is not None:
                    stack.callback(part.close)
            self.uploads = self.jobs = None


def cache_folder_of(library: Path) -> Path:
    """Return the folder for derived sounds and pictures: in the library's cache, or in the user's
    where the library cannot be written."""
    if os.access(library, os.W_OK):
        return library / "cache" / "serve"
    import hashlib

    from soundseek.bundle.places import cache_folder

    key = hashlib.sha256(os.fsencode(library.resolve())).hexdigest()[:16]
    return cache_folder() / "serve" / key
