"""A file of vectors that is derived from a library: mapped into memory, not read.

It holds the windows of clips, or the captions, each of which is then a clip of one window.

Layout, little-endian: a header of 128 bytes, the vectors float16 [n_windows, dimension], zeros up
to a multiple of 8, the windows' weights float32 [n_windows], zeros again, the clips' ids int64
[n_clips] in ascending order, and their numbers of windows int64 [n_clips]. A file is made beside
its place and renamed into it, so that it is complete or not there.
"""

from __future__ import annotations

import os
import struct
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

CACHE_FILE = "windows.cache"
CAPTIONS_FILE = "captions.cache"

_MAGIC = b"sndkwin2"
_HEADER = struct.Struct("<8s32sqqqq")  # magic, identity, revision, windows, clips, dimension
_HEADER_BYTES = 128
_TEMPORARY_SUFFIX = ".part"
_ABANDONED_AFTER_S = 3600.0


class ClipWindows(NamedTuple):
    """One clip: its id, its windows float16 [n, dimension], n ≥ 1, and their weights float32 [n],
    see `blend.whole_weights`."""

    clip_id: int
    windows: npt.NDArray[np.float16]
    weights: npt.NDArray[np.float32]


class Block(NamedTuple):
    """Windows of many clips: `matrix` float16 [n_windows, dimension], clip after clip, and their
    `weights` float32 [n_windows]; `clip_ids` and `counts` int64 [n_clips]; `revision` of the
    library up to which they go."""

    matrix: npt.NDArray[np.float16]
    weights: npt.NDArray[np.float32]
    clip_ids: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    revision: int


def open_cache(
    folder: Path, identity: bytes, dimension: int, name: str = CACHE_FILE
) -> Block | None:
    """Return the windows that are cached in `folder` as `name`, mapped; None if there are none.

    A file of another library (`identity`, 32 bytes), another dimension or a wrong size counts as
    none.
    """
    path = folder / name
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER.size)
            size = os.fstat(file.fileno()).st_size
            if len(header) < _HEADER.size:
                return None
            magic, owner, revision, n_windows, n_clips, width = _HEADER.unpack(header)
            if (magic, owner, width) != (_MAGIC, identity, dimension):
                return None
            weights_at = _HEADER_BYTES + _padded(n_windows * dimension * 2)
            ids_at = weights_at + _padded(n_windows * 4)
            if n_clips < 1 or n_windows < n_clips or size != ids_at + 16 * n_clips:
                return None
            matrix = np.memmap(file, np.float16, "r", _HEADER_BYTES, (n_windows, dimension))
            file.seek(weights_at)
            weights = np.fromfile(file, dtype="<f4", count=n_windows).astype(np.float32)
            file.seek(ids_at)
            tables = np.fromfile(file, dtype="<i8", count=2 * n_clips).astype(np.int64)
    except OSError:
        return None
    clip_ids, counts = tables[:n_clips], tables[n_clips:]
    if counts.min() < 1 or counts.sum() != n_windows:
        return None
    return Block(matrix, weights, clip_ids, counts, revision)


def write_cache(
    folder: Path,
    identity: bytes,
    dimension: int,
    revision: int,
    clips: Iterable[ClipWindows],
    name: str = CACHE_FILE,
) -> None:
    """Write the windows of `clips`, ascending by id, one clip's vectors in memory at a time.

    They must hold everything that the library had at `revision`, and may hold more.

    Raises `OSError` if the folder cannot be written or the disk is full; what was there stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder, name)
    handle, draft = tempfile.mkstemp(_TEMPORARY_SUFFIX, name, folder)
    temporary = Path(draft)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(bytes(_HEADER_BYTES))
            clip_ids: list[int] = []
            counts: list[int] = []
            weights: list[bytes] = []
            for clip in clips:
                file.write(clip.windows.astype("<f2", copy=False).tobytes())
                weights.append(clip.weights.astype("<f4", copy=False).tobytes())
                clip_ids.append(clip.clip_id)
                counts.append(len(clip.windows))
            _pad(file, sum(counts) * dimension * 2)
            file.write(b"".join(weights))
            _pad(file, sum(counts) * 4)
            file.write(np.array([clip_ids, counts], dtype="<i8").tobytes())
            file.seek(0)
            file.write(
                _HEADER.pack(_MAGIC, identity, revision, sum(counts), len(clip_ids), dimension)
            )
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave a renamed file full of zeros
        temporary.replace(folder / name)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def _pad(file: BinaryIO, size: int) -> None:
    file.write(bytes(_padded(size) - size))


def _remove_abandoned(folder: Path, name: str) -> None:
    """Delete what processes that were killed while writing have left."""
    long_ago = time.time() - _ABANDONED_AFTER_S
    for path in folder.glob(f"{name}*{_TEMPORARY_SUFFIX}"):
        with suppress(OSError):
            if path.stat().st_mtime < long_ago:
                path.unlink()
