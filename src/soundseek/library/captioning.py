"""Captions for every clip of a library, from the vectors that it has: nothing is listened to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from soundseek.errors import LibraryError
from soundseek.library.captions import USER, caption_vectors, insert_caption, one_line
from soundseek.library.database import Database
from soundseek.library.lock import writer_lock
from soundseek.library.reports import CaptionReport, OnProgress, Progress
from soundseek.library.schema import blob_to_path

if TYPE_CHECKING:
    from soundseek.library.library import Library

FloatArray = npt.NDArray[np.float32]

_BATCH_CLIPS = 32


class Captioning(Protocol):
    """What a library needs of a captioner."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def fingerprint(self) -> str:
        """A hash that changes with anything that changes its captions."""

    @property
    def hears(self) -> str:
        """The fingerprint of the bundle whose vectors it reads."""

    def caption(self, windows: Sequence[FloatArray]) -> Sequence[tuple[str, float]]:
        """Return (text, mean log-probability of a token) for clips of windows [n, dimension]."""


def caption_library(
    library: Library,
    captioner: Captioning,
    *,
    again: bool = False,
    on_progress: OnProgress | None = None,
) -> CaptionReport:
    """Caption what has no caption of this captioner yet; see `Library.caption`."""
    started = time.monotonic()
    database = library.database
    _check_hearing(database, captioner)
    with writer_lock(library.folder):
        (clips,) = database.query("SELECT count(*) FROM clips WHERE n_windows > 0")[0]
        wanted = [row[0] for row in _wanted(database, captioner.fingerprint, again)]
        done = empty = 0
        audio_s = 0.0
        interrupted = False
        try:
            for start in range(0, len(wanted), _BATCH_CLIPS):
                batch = wanted[start : start + _BATCH_CLIPS]
                texts, seconds, path = _caption_batch(library, captioner, batch)
                done += len(batch)
                empty += texts.count("")
                audio_s += seconds
                if on_progress is not None:
                    on_progress(Progress(done, len(wanted), path, audio_s, 0))
        except KeyboardInterrupt:
            interrupted = True
    return CaptionReport(
        captioned=done,
        known=clips - len(wanted),
        empty=empty,
        captioner=captioner.name,
        fingerprint=captioner.fingerprint,
        seconds=time.monotonic() - started,
        interrupted=interrupted,
    )


def _check_hearing(database: Database, captioner: Captioning) -> None:
    meta = database.meta()
    if captioner.hears != meta["bundle_fingerprint"]:
        raise LibraryError(
            f"the captioner {captioner.name!r} reads vectors of the model "
            f"{captioner.hears[:12]}, but the library {database.path} was made with "
            f"{meta['bundle_name']!r} ({meta['bundle_fingerprint'][:12]})",
            remedy="choose a captioner of that model with --captioner, or index again with "
            "the captioner's model: soundseek index FOLDER --rebuild --model NAME",
        )


def _wanted(database: Database, fingerprint: str, again: bool) -> list[tuple[int]]:
    if again:
        return database.query("SELECT id FROM clips WHERE n_windows > 0 ORDER BY id")
    return database.query(
        "SELECT id FROM clips WHERE n_windows > 0 AND NOT EXISTS"
        " (SELECT 1 FROM captions WHERE clip_id = clips.id AND source = ?) ORDER BY id",
        (fingerprint,),
    )


def _caption_batch(
    library: Library, captioner: Captioning, clip_ids: Sequence[int]
) -> tuple[list[str], float, str]:
    """Caption clips and commit; returns the texts, the seconds of sound and a file among them."""
    database = library.database
    rows = database.query(
        "SELECT id, duration_s, windows, (SELECT path FROM files WHERE clip_id = clips.id LIMIT 1)"
        f" FROM clips WHERE id IN ({', '.join('?' * len(clip_ids))}) ORDER BY id",
        tuple(clip_ids),
    )
    windows = [_windows(database, clip_id, blob) for clip_id, _, blob, _ in rows]
    said = [(one_line(text), float(score)) for text, score in captioner.caption(windows)]
    texts = [text for text, _ in said]
    vectors = caption_vectors(library.bundle, texts)
    with database.transaction() as connection:
        revision = database.next_revision()
        for row, (text, score), vector in zip(rows, said, vectors, strict=True):
            connection.execute(
                "DELETE FROM captions WHERE clip_id = ? AND source <> ?", (row[0], USER)
            )
            insert_caption(
                connection,
                row[0],
                revision,
                text,
                vector,
                source=captioner.fingerprint,
                captioner=captioner.name,
                score=score,
            )
    path = rows[-1][3]
    return texts, sum(row[1] for row in rows), "" if path is None else blob_to_path(path)


def _windows(database: Database, clip_id: int, blob: bytes) -> FloatArray:
    dimension = int(database.meta()["dimension"])
    if len(blob) % (2 * dimension):
        raise LibraryError(
            f"clip {clip_id} of the library {database.path} has damaged vectors",
            remedy="make it anew: soundseek index FOLDER --rebuild",
        )
    return np.frombuffer(blob, dtype="<f2").reshape(-1, dimension).astype(np.float32)
