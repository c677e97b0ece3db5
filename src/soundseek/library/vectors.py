"""All window vectors of a library, or its captions', in memory, kept up with the database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from soundseek.errors import LibraryError
from soundseek.library.blend import whole_shares, whole_weights
from soundseek.library.cachefile import (
    CACHE_FILE,
    CAPTIONS_FILE,
    Block,
    ClipWindows,
    open_cache,
    write_cache,
)
from soundseek.library.database import Database, explained
from soundseek.library.scoring import dot_products
from soundseek.library.tables import Kept, Made

FloatArray = npt.NDArray[np.float32]
IndexArray = npt.NDArray[np.int64]

# So many windows are read from the database in the time that a search takes anyway.
_FEW_WINDOWS = 4096
_WORTH_REWRITING = 0.1


@dataclass(frozen=True)
class VectorSource:
    """Where vectors come from: the cache's file, and SQL over the tables.

    Attributes:
        file: the name of the cache.
        what: what one of them is called in messages.
        count: how many there are.
        newer: how many are newer than a revision, and how many windows these have.
        rows: (id, valid samples or NULL for a single window, vectors) of the newer ones, by id.
    """

    file: str
    what: str
    count: str
    newer: str
    rows: str


WINDOWS = VectorSource(
    CACHE_FILE,
    "clip",
    "SELECT count(*) FROM clips",
    "SELECT count(*), total(n_windows) FROM clips WHERE revision > ?",
    # The ids first, from an index: else the order by id would have SQLite walk through all rows.
    "SELECT id, valid, windows FROM clips WHERE id IN"
    " (SELECT id FROM clips WHERE revision > ? AND n_windows > 0) ORDER BY id",
)
CAPTIONS = VectorSource(
    CAPTIONS_FILE,
    "caption",
    "SELECT count(*) FROM captions",
    "SELECT count(*), count(*) FROM captions WHERE revision > ?",
    "SELECT id, NULL, vector FROM captions WHERE id IN"
    " (SELECT id FROM captions WHERE revision > ?) AND vector > x'' ORDER BY id",
)
_ONE_WINDOW = np.ones(1, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class WindowTable:
    """Windows of clips, clip after clip, in one or several blocks of memory.

    Attributes:
        blocks: their vectors.
        weights: float32 [n_windows], see `blend.whole_weights`.
        clip_ids: int64 [n_clips]; an id may occur twice, of which only one is live.
        first: int64 [n_clips], the index of each clip's first window.
        counts: int64 [n_clips], how many windows each has, at least 1.
        live: bool [n_clips], False for what has been replaced since.
    """

    blocks: tuple[Block, ...]
    weights: FloatArray
    clip_ids: IndexArray
    first: IndexArray
    counts: IndexArray
    live: npt.NDArray[np.bool_]
    _shares: dict[float, FloatArray] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, *blocks: Block) -> WindowTable:
        """Join blocks; a clip of a later one replaces the same clip of an earlier one."""
        weights = np.concatenate([block.weights for block in blocks])
        clip_ids = np.concatenate([block.clip_ids for block in blocks])
        counts = np.concatenate([block.counts for block in blocks])
        live = np.ones(len(clip_ids), dtype=np.bool_)
        end = 0
        for position, block in enumerate(blocks):
            start, end = end, end + len(block.clip_ids)
            for later in blocks[position + 1 :]:
                live[start:end] &= ~np.isin(block.clip_ids, later.clip_ids)
        return cls(blocks, weights, clip_ids, np.cumsum(counts) - counts, counts, live)

    def scores(self, vector: FloatArray, *, threads: int = 1) -> FloatArray:
        """Return the cosines [n_windows] of `vector` and every window."""
        products = [dot_products(block.matrix, vector, threads=threads) for block in self.blocks]
        joined = products[0] if len(products) == 1 else np.concatenate(products)
        # Rounded to half precision, vectors are a little longer or shorter than 1.
        return np.clip(joined, -1, 1, out=joined)

    def whole_scores(self, window_scores: FloatArray) -> FloatArray:
        """Return the cosines [n_clips] of each whole clip, from those [n_windows] of `scores`."""
        if not self.first.size:
            return np.empty(0, dtype=np.float32)
        sums: FloatArray = np.add.reduceat(window_scores * self.weights, self.first)
        return np.clip(sums, -1, 1, out=sums)

    def clip_scores(self, window_scores: FloatArray, hop_s: float) -> FloatArray:
        """Return how well each clip fits [n_clips], -1 to 1, from the cosines of its windows.

        A score is the mean of the cosines of the best window and of the whole clip; where more
        than 30 s of windows, `hop_s` seconds apart, make up a clip, the window counts more, see
        `blend.whole_shares`.
        """
        if not self.first.size:
            return np.empty(0, dtype=np.float32)
        if hop_s not in self._shares:
            self._shares[hop_s] = whole_shares(self.counts, hop_s)
        best = np.maximum.reduceat(window_scores, self.first)
        blend = self.whole_scores(window_scores)
        blend -= best
        blend *= self._shares[hop_s]
        blend += best
        return blend

    def best_window(self, window_scores: FloatArray, clip: int) -> int:
        """Return which of its windows, from 0, is the best of the clip with index `clip`."""
        first = int(self.first[clip])
        return int(window_scores[first : first + int(self.counts[clip])].argmax())


class LibraryVectors:
    """The vectors of a library: a cache file, and on top what has come since.

    A clip's vectors never change under one revision, and which clips count is the database's to
    say. So a cache file is never wrong, only behind: clips that are newer than it are read from
    the database into memory, and clips that are gone are not asked for. The file is written again
    when these two are more than a tenth of it; where that cannot be done (a read-only folder,
    a full disk), they stay in memory. What is in memory is not read again.

    Attributes:
        dimension: values in a vector.
    """

    def __init__(
        self,
        database: Database,
        cache_folder: Path,
        source: VectorSource = WINDOWS,
        *,
        kept: Kept[WindowTable] | None = None,
        writes_cache: bool | None = None,
    ) -> None:
        """Nothing is read before `table`.

        `kept` may be shared with others of the same library and source. `writes_cache` None:
        where the database may be written.
        """
        meta = database.meta()
        self._database = database
        self._source = source
        self._folder = cache_folder
        self.dimension = int(meta["dimension"])
        mark = "\n".join((meta["created"], meta["bundle_fingerprint"]))
        self._identity = hashlib.sha256(mark.encode()).digest()
        self._kept: Kept[WindowTable] = Kept() if kept is None else kept
        self._writes_cache = not database.read_only if writes_cache is None else writes_cache

    def table(self) -> WindowTable:
        """Return the vectors as of now; the same object as before if nothing has changed.

        Raises LibraryError if the database cannot be read or holds vectors of a wrong size.
        """
        revision = self._database.revision()
        return self._kept.at(revision, lambda made: self._loaded(revision, made))

    def _loaded(self, revision: int, made: Made[WindowTable] | None) -> WindowTable:
        cached = open_cache(self._folder, self._identity, self.dimension, self._source.file)
        if cached is not None and cached.revision == revision:
            return WindowTable.of(cached)
        if self._is_behind(cached) and self._writes_cache:
            cached = self._written(revision) or cached
        if made is not None and _is_on(made.value, cached):
            newer = self._in_memory(made.revision)
            if not newer.clip_ids.size:
                return made.value
            return WindowTable.of(*grown(made.value.blocks, newer, cached is not None))
        if cached is None:
            return WindowTable.of(self._in_memory(-1))
        return WindowTable.of(cached, self._in_memory(cached.revision))

    def _written(self, revision: int) -> Block | None:
        try:
            write_cache(
                self._folder,
                self._identity,
                self.dimension,
                revision,
                self._clips_since(-1),
                self._source.file,
            )
        except OSError:
            return None  # a search works as well without; whoever writes next sees the full disk
        return open_cache(self._folder, self._identity, self.dimension, self._source.file)

    def _is_behind(self, cached: Block | None) -> bool:
        ((clips,),) = self._database.query(self._source.count)
        newer_clips, new_windows = self._database.query(
            self._source.newer,
            (-1 if cached is None else cached.revision,),
        )[0]
        if cached is None:
            return bool(new_windows > _FEW_WINDOWS)
        gone = max(0, len(cached.clip_ids) + newer_clips - clips)
        gone_windows = gone * len(cached.matrix) / len(cached.clip_ids)
        allowed = _FEW_WINDOWS + _WORTH_REWRITING * len(cached.matrix)
        return bool(new_windows + gone_windows > allowed)

    def _in_memory(self, revision: int) -> Block:
        """Return the clips that are newer than `revision`."""
        clips = list(self._clips_since(revision))
        windows = [clip.windows for clip in clips]
        return Block(
            np.concatenate([np.empty((0, self.dimension), np.float16), *windows]),
            np.concatenate([np.empty(0, np.float32), *(clip.weights for clip in clips)]),
            np.array([clip.clip_id for clip in clips], dtype=np.int64),
            np.array([len(part) for part in windows], dtype=np.int64),
            revision,
        )

    def _clips_since(self, revision: int) -> Iterator[ClipWindows]:
        # One statement sees one state of the database, even while another process writes.
        with explained(self._database.path):
            rows = self._database.connection.execute(self._source.rows, (revision,))
            for row in rows:
                yield self._clip(*row)

    def _clip(self, clip_id: int, lengths: Any, vectors: Any) -> ClipWindows:
        if not isinstance(vectors, bytes) or not vectors or len(vectors) % (2 * self.dimension):
            raise self._damaged(clip_id, "vectors")
        windows = np.frombuffer(vectors, dtype="<f2").reshape(-1, self.dimension)
        if lengths is None and len(windows) == 1:
            return ClipWindows(clip_id, windows, _ONE_WINDOW)
        if not isinstance(lengths, bytes) or len(lengths) != 4 * len(windows):
            raise self._damaged(clip_id, "lengths of windows")
        valid = np.frombuffer(lengths, dtype="<u4")
        if not valid.all():
            raise self._damaged(clip_id, "lengths of windows")
        return ClipWindows(clip_id, windows, whole_weights(windows, valid))

    def _damaged(self, clip_id: int, what: str) -> LibraryError:
        return LibraryError(
            f"{self._source.what} {clip_id} of the library {self._database.path} "
            f"has damaged {what}",
            remedy="see what else is: soundseek library verify; to make it anew: "
            "soundseek index FOLDER --rebuild",
        )


def _is_on(table: WindowTable, cached: Block | None) -> bool:
    """Whether a table goes on from this cache, or from none."""
    first = table.blocks[0]
    if cached is None:
        return not isinstance(first.matrix, np.memmap)
    return isinstance(first.matrix, np.memmap) and first.revision == cached.revision


def grown(blocks: Sequence[Block], newer: Block, first_is_mapped: bool) -> list[Block]:
    """Return the blocks with a newer one behind them.

    Blocks in memory are joined while the last is less than twice the newest: there are few, and a
    vector is copied seldom.
    """
    mapped, joined = list(blocks[: int(first_is_mapped)]), list(blocks[int(first_is_mapped) :])
    while joined and len(joined[-1].matrix) < 2 * len(newer.matrix):
        newer = _joined(joined.pop(), newer)
    return [*mapped, *joined, newer]


def _joined(older: Block, newer: Block) -> Block:
    """Return two blocks as one; of a clip in both the newer one stays."""
    kept = ~np.isin(older.clip_ids, newer.clip_ids)
    windows = np.repeat(kept, older.counts)
    return Block(
        np.concatenate([older.matrix[windows], newer.matrix]),
        np.concatenate([older.weights[windows], newer.weights]),
        np.concatenate([older.clip_ids[kept], newer.clip_ids]),
        np.concatenate([older.counts[kept], newer.counts]),
        older.revision,
    )
