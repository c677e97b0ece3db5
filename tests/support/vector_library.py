"""A library whose vectors are given, and a model that reads texts from a table: no audio."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from soundseek.errors import QueryError
from soundseek.library.database import Database
from soundseek.library.schema import join_tags
from soundseek.library.wording import split_words

HOP_S, WINDOW_S, RATE = 1.0, 1.5, 1000

Array = npt.NDArray[np.float32]


@dataclass
class Clip:
    """A clip to put into a library: its windows' vectors (any length), and where its files are."""

    windows: npt.ArrayLike
    paths: Sequence[str]
    duration_s: float | None = None
    format: str = "wav"
    tags: Sequence[str] = ()
    state: str = "present"
    content: bytes | None = field(default=None)


def new_database(folder: Path, dimension: int) -> Database:
    """Make an empty library."""
    folder.mkdir(parents=True, exist_ok=True)
    return Database.create(
        folder,
        {
            "created": "2026-01-01T00:00:00.000000+00:00",
            "bundle_name": "table",
            "bundle_fingerprint": "f" * 64,
            "bundle_path": "/nowhere",
            "dimension": str(dimension),
            "sample_rate": str(RATE),
            "window_samples": str(round(WINDOW_S * RATE)),
            "hop_samples": str(round(HOP_S * RATE)),
            "roots": "[]",
        },
    )


def add_clips(database: Database, clips: Sequence[Clip]) -> list[int]:
    """Commit clips in one transaction, as indexing does; returns their ids."""
    ids = []
    with database.transaction() as connection:
        revision = database.next_revision()
        for clip in clips:
            windows = unit(np.atleast_2d(np.asarray(clip.windows, dtype=np.float32)))
            content = clip.content or repr((clip.paths, windows.tobytes())).encode()
            duration_s = clip.duration_s or len(windows) * HOP_S
            cursor = connection.execute(
                "INSERT INTO clips (content_hash, revision, format, sample_rate, channels,"
                " duration_s, n_windows, valid, vector, windows) VALUES (?,?,?,?,?,?,?,?,?,?)",
                (
                    hashlib.sha256(content).digest(),
                    revision,
                    clip.format,
                    44100,
                    2,
                    duration_s,
                    len(windows),
                    np.full(len(windows), RATE, dtype="<u4").tobytes(),
                    unit(windows.mean(0)).astype("<f2").tobytes(),
                    windows.astype("<f2").tobytes(),
                ),
            )
            ids.append(cursor.lastrowid)
            for path in clip.paths:
                _add_file(connection, path, clip, cursor.lastrowid)
    return ids


def _add_file(connection, path: str, clip: Clip, clip_id: int | None) -> None:
    cursor = connection.execute(
        "INSERT INTO files (path, size, mtime_ns, clip_id, state, tags, indexed_at)"
        " VALUES (?, 1, 1, ?, ?, ?, '2026-01-01')",
        (os.fsencode(path), clip_id, clip.state, join_tags(clip.tags)),
    )
    folder, name = os.path.split(path)
    words = (split_words(folder), split_words(name.rsplit(".", 1)[0]), " ".join(clip.tags))
    connection.execute(
        "INSERT INTO names (rowid, folder, name, tags) VALUES (?, ?, ?, ?)",
        (cursor.lastrowid, *words),
    )


def unit(vectors: npt.ArrayLike) -> Array:
    """Return the vectors, L2-normalised along the last axis."""
    array = np.asarray(vectors, dtype=np.float32)
    return array / np.linalg.norm(array, axis=-1, keepdims=True)


def table_model(texts: Mapping[str, npt.ArrayLike]) -> SimpleNamespace:
    """A stand-in for a bundle that knows the vectors of a few texts."""

    def encode_text(wanted: str | Sequence[str]) -> Array:
        names = [wanted] if isinstance(wanted, str) else wanted
        unknown = [name for name in names if name not in texts]
        if unknown:
            raise QueryError(f"unknown words: {unknown}")
        return np.stack([unit(texts[name]) for name in names])

    return SimpleNamespace(
        encode_text=encode_text, hop_s=HOP_S, window_s=WINDOW_S, sample_rate=RATE
    )
