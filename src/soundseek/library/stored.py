"""The window vectors of one file: from the library where it has them, else from the sound."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from soundseek.errors import AudioError, LibraryError
from soundseek.library.database import Database
from soundseek.library.query import AnyPath, path_spellings

if TYPE_CHECKING:
    from soundseek.bundle.runtime import Bundle
    from soundseek.bundle.sounds import WindowVectors


def window_vectors(bundle: Bundle, path: AnyPath, database: Database | None) -> WindowVectors:
    """Return the windows of the file at `path`, at least one.

    Nothing is decoded if the library in `database`, made with `bundle`, has the file and its size
    and time have not changed. Raises AudioError if the file cannot be read or is empty.
    """
    if database is not None:
        stored = stored_windows(bundle, path, database)
        if stored is not None:
            return stored
    from soundseek.audio.decode import stream

    windows = bundle.encode_blocks(stream(path, bundle.sample_rate))
    if not len(windows.vectors):
        raise AudioError(f"{os.fspath(path)} holds no sound: it is empty")
    return windows


def stored_windows(bundle: Bundle, path: AnyPath, database: Database) -> WindowVectors | None:
    """Return what the library has of the file at `path`; None if nothing, or it has changed."""
    try:
        on_disk = os.stat(path)  # noqa: PTH116 - a path of any kind, also one that is not text
    except (OSError, ValueError):
        return None
    for blob in path_spellings(path):
        rows = database.query(
            "SELECT clips.windows, clips.valid FROM files JOIN clips ON clips.id = files.clip_id"
            " WHERE files.path = ? AND files.state = 'present' AND clips.n_windows > 0"
            " AND files.size = ? AND files.mtime_ns = ?",
            (blob, on_disk.st_size, on_disk.st_mtime_ns),
        )
        for windows, valid in rows:
            return _as_windows(bundle, windows, valid)
    return None


def windows_of_clip(bundle: Bundle, clip_id: int, database: Database) -> WindowVectors | None:
    """Return the windows of a row in `clips`; None if it is gone or has none."""
    for windows, valid in database.query(
        "SELECT windows, valid FROM clips WHERE id = ? AND n_windows > 0", (clip_id,)
    ):
        return _as_windows(bundle, windows, valid)
    return None


def _as_windows(bundle: Bundle, windows: bytes, valid: bytes) -> WindowVectors:
    from soundseek.bundle.sounds import WindowVectors

    vectors = np.frombuffer(windows, dtype="<f2").reshape(-1, bundle.dimension)
    starts_s = np.arange(len(vectors), dtype=np.float64) * bundle.hop_s
    valid_samples = np.frombuffer(valid, dtype="<u4").astype(np.int64)
    return WindowVectors(vectors.astype(np.float32), starts_s, valid_samples)


def clip_vector(database: Database, path: AnyPath) -> npt.NDArray[np.float32]:
    """Return the vector [dimension] of a present file as it was indexed, L2-normalised.

    Raises LibraryError if the library has no such file.
    """
    for blob in path_spellings(path):
        for (vector,) in database.query(
            "SELECT clips.vector FROM files JOIN clips ON clips.id = files.clip_id"
            " WHERE files.path = ? AND files.state = 'present'",
            (blob,),
        ):
            found = np.frombuffer(vector, dtype="<f2").astype(np.float32)
            return np.asarray(found / max(float(np.linalg.norm(found)), 1e-12), dtype=np.float32)
    raise LibraryError(
        f"{os.fspath(path)} is not in the library {database.path}",
        remedy="index it: soundseek index FILE",
    )
