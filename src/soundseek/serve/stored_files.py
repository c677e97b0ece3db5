"""From an id to a sound file: only what the library holds, and only as it was indexed."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import BinaryIO, Final

from soundseek.library.database import Database
from soundseek.library.schema import blob_to_path, split_tags
from soundseek.serve.problems import Problem

_ID: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_LARGEST_ID: Final = (1 << 63) - 1
_AGAIN: Final = "index its folder again"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A present file of the library.

    Attributes:
        id: its row in `files`, as the API writes it.
        path: the absolute path, as indexing saw it.
        size: in bytes, when it was indexed.
        mtime_ns: likewise.
        clip_id: the row in `clips`, which copies share.
        content_hash: SHA-256 of its bytes, as hexadecimal digits.
        format: such as "wav".
        duration_s: in seconds.
        sample_rate: in Hz.
        channels: how many.
        tags: its tags.
    """

    id: str
    path: str
    size: int
    mtime_ns: int
    clip_id: int
    content_hash: str
    format: str
    duration_s: float
    sample_rate: int
    channels: int
    tags: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return PurePath(self.path).name


def row_id(text: str) -> int:
    """Return an id of the API as a number; Problem 422 for anything but decimal digits."""
    if not _ID.fullmatch(text) or int(text) > _LARGEST_ID:
        raise Problem(422, "the id of a clip is a whole number", remedy="take it from a search")
    return int(text)


def find_file(database: Database, file_id: str) -> StoredFile:
    """Return what the library knows of a present file, without looking at the disk.

    Raises Problem 422 for what is no id, 404 for one that no present file has.
    """
    rows = database.query(
        "SELECT files.path, files.size, files.mtime_ns, files.clip_id, clips.content_hash,"
        " clips.format, clips.duration_s, clips.sample_rate, clips.channels, files.tags"
        " FROM files JOIN clips ON clips.id = files.clip_id"
        " WHERE files.id = ? AND files.state = 'present'",
        (row_id(file_id),),
    )
    for path, size, mtime_ns, clip_id, content, kind, duration_s, rate, channels, tags in rows:
        return StoredFile(
            id=file_id,
            path=blob_to_path(path),
            size=size,
            mtime_ns=mtime_ns,
            clip_id=clip_id,
            content_hash=content.hex(),
            format=kind,
            duration_s=duration_s,
            sample_rate=rate,
            channels=channels,
            tags=split_tags(tags),
        )
    raise Problem(404, f"there is no clip {file_id}", remedy="search again: the library changed")


@contextmanager
def opened(file: StoredFile) -> Iterator[BinaryIO]:
    """Open the very file that was indexed, for reading.

    Raises Problem 409 if it is gone, changed, or no longer a file of its own at this path.
    """
    try:
        # Non-blocking: a pipe that took the place of the file must not hold the server.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(file.path, flags)
    except OSError as error:
        raise Problem(
            409, f"{file.name} cannot be opened: {error.strerror or error}", remedy=_AGAIN
        ) from error
    try:
        status = _checked_status(file, descriptor)
        handle = os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
    with handle:
        _check_links(file, handle, status)
        yield handle


def check_on_disk(file: StoredFile) -> None:
    """Raise Problem 409 unless `opened` would give the file."""
    with opened(file):
        pass


def _checked_status(file: StoredFile, descriptor: int) -> os.stat_result:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or (status.st_size, status.st_mtime_ns) != (
        file.size,
        file.mtime_ns,
    ):
        raise Problem(409, f"{file.name} has changed since it was indexed", remedy=_AGAIN)
    return status


def _check_links(file: StoredFile, handle: BinaryIO, status: os.stat_result) -> None:
    real = os.path.realpath(file.path)
    try:
        is_same = os.path.samestat(os.stat(real), status)  # noqa: PTH116 - a path of any bytes
    except OSError:
        is_same = False  # swapped while it was opened
    if not is_same:
        raise Problem(409, f"{file.name} has changed since it was indexed", remedy=_AGAIN)
    if real != file.path and not _has_content(file, handle, status):
        raise Problem(
            409, f"{file.name} is a link to something that was not indexed", remedy=_AGAIN
        )


# What lies behind links that was read before: a link is followed where its content is the one
# that was indexed, whatever its size and time pretend.
_known_content: dict[tuple[int, int, int, int], str] = {}
_MOST_KNOWN: Final = 10_000
_HASH_BLOCK: Final = 1 << 20


def _has_content(file: StoredFile, handle: BinaryIO, status: os.stat_result) -> bool:
    import hashlib

    key = (status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns)
    if key not in _known_content:
        if len(_known_content) >= _MOST_KNOWN:
            _known_content.clear()
        digest = hashlib.sha256()
        while block := handle.read(_HASH_BLOCK):
            digest.update(block)
        handle.seek(0)
        _known_content[key] = digest.hexdigest()
    return _known_content[key] == file.content_hash
