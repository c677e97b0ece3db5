"""Captions in a search: which clips have a word in them, and how near their meaning is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from soundseek.library.captions import USER
from soundseek.library.database import Database
from soundseek.library.tables import SearchTables
from soundseek.library.vectors import CAPTIONS, LibraryVectors, WindowTable

FloatArray = npt.NDArray[np.float32]
IndexArray = npt.NDArray[np.int64]

FEW_CAPTIONS: Final = 30
"""So many captions tell as much of what is usual as the scores of the sounds do."""


class CaptionTable:
    """The captions of a library beside a table of its clips. Made by `LibraryCaptions`."""

    def __init__(self, database: Database, vectors: WindowTable, clips: WindowTable) -> None:
        """`vectors` has a row a caption, `clips` are those that a search ranks."""
        self._vectors = vectors
        self._clips = clips
        rows = database.query(
            "SELECT id, clip_id, source <> ? FROM captions WHERE clip_id IS NOT NULL", (USER,)
        )
        columns = np.array(rows, dtype=np.int64).reshape(-1, 3)
        columns = columns[np.argsort(columns[:, 0])]
        self._ids, self._generated = columns[:, 0], columns[:, 2].astype(np.bool_)
        live = np.flatnonzero(clips.live)
        live = live[np.argsort(clips.clip_ids[live])]
        # Where each caption's clip is in `clips`; -1 where it cannot be heard.
        self._places = _looked_up(clips.clip_ids[live], live, columns[:, 1])
        owners = _looked_up(self._ids, self._places, vectors.clip_ids)
        owners[~vectors.live] = -1
        order = np.argsort(owners, kind="stable")
        order = order[np.searchsorted(owners[order], 0) :]
        generated = _looked_up(self._ids, self._generated.astype(np.int64), vectors.clip_ids) == 1
        self._orders = {False: order[~generated[order]], True: order}
        self._runs = {
            both: np.unique(owners[some], return_index=True) for both, some in self._orders.items()
        }

    def cosines(self, vector: FloatArray, *, generated: bool, threads: int = 1) -> FloatArray:
        """Return the cosine of a text's `vector` and the nearest caption of each clip [n_clips];
        NaN where a clip has none. Without `generated`, what people wrote counts alone."""
        cosines = np.full(len(self._clips.clip_ids), np.nan, dtype=np.float32)
        order, (owners, starts) = self._orders[generated], self._runs[generated]
        if order.size:
            scores = self._vectors.scores(vector, threads=threads)[order]
            cosines[owners] = np.maximum.reduceat(scores, starts)
        return cosines

    def clips_with(
        self, database: Database, expression: str, candidates: IndexArray, *, generated: bool
    ) -> tuple[IndexArray, IndexArray]:
        """Return the ids, each once, of the clips in whose captions an FTS5 expression is found: in
        what people wrote, and in what was generated (none without `generated`). `candidates` are
        indices of clips."""
        rows = database.query(
            "SELECT rowid FROM captions_text WHERE captions_text MATCH ?", (expression,)
        )
        found = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
        which = _looked_up(self._ids, np.arange(len(self._ids)), found)
        which = which[which >= 0]
        passing = np.zeros(len(self._clips.clip_ids) + 1, dtype=np.bool_)  # the last stands for -1
        passing[candidates] = True
        which = which[passing[self._places[which]]]
        written = which[~self._generated[which]]
        made = which[self._generated[which]] if generated else which[:0]
        return self._owning(written), self._owning(made)

    def _owning(self, captions: IndexArray) -> IndexArray:
        owning = np.zeros(len(self._clips.clip_ids), dtype=np.bool_)
        owning[self._places[captions]] = True
        return self._clips.clip_ids[owning]


class LibraryCaptions:
    """The captions of a library in memory, kept up with the database."""

    def __init__(self, database: Database, cache_folder: Path, tables: SearchTables) -> None:
        """Nothing is read before `table`."""
        self._database = database
        self._kept = tables.captions_beside
        self._vectors = LibraryVectors(
            database,
            cache_folder,
            CAPTIONS,
            kept=tables.captions,
            writes_cache=tables.writes_cache,
        )

    def table(self, clips: WindowTable) -> CaptionTable | None:
        """Return the captions beside `clips`, a table as of now; None if the library has none."""

        def make(_: object) -> CaptionTable | None:
            if not self._database.has_captions():
                return None
            return CaptionTable(self._database, self._vectors.table(), clips)

        return self._kept.at(self._database.revision(), make, beside=clips)


def _looked_up(keys: IndexArray, values: IndexArray, wanted: IndexArray) -> IndexArray:
    """Return the value of each wanted key, of ascending `keys`; -1 for one that is not there."""
    if not keys.size:
        return np.full(len(wanted), -1, dtype=np.int64)
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], -1)


def with_captions(scores: FloatArray, cosines: FloatArray, weight: float) -> FloatArray:
    """Return the scores [n] of sounds, raised where a caption is nearer to the query than usual.

    `cosines` [n] are those of the query and the clip's nearest caption, NaN where there is none.
    Two texts are more alike than a text and a sound, by an amount that depends on the model; so
    cosines of captions are brought to the mean and spread of `scores` first. Where captions are
    few, those of the scores count as 30 more. What a caption is above the mean then adds `weight`
    times as much to its clip. One below adds nothing: a wrong or an incomplete caption takes
    nothing from a sound, and a clip without a caption is worth what it was.
    """
    captioned = np.flatnonzero(~np.isnan(cosines))
    if weight == 0.0 or not captioned.size:
        return scores
    known = cosines[captioned].astype(np.float64)
    sounds = scores.astype(np.float64)
    n, together = known.size, known.size + FEW_CAPTIONS
    mean = (known.sum() + FEW_CAPTIONS * sounds.mean()) / together
    variance = (n * known.var() + FEW_CAPTIONS * sounds.var()) / together
    scale = float(np.sqrt(sounds.var() / variance)) if sounds.var() > 0 else 1.0
    raised = sounds
    raised[captioned] += weight * scale * np.maximum(0.0, known - mean)
    return raised.astype(np.float32)
