"""From a description, or a sound, to the files that sound like it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np
import numpy.typing as npt

from soundseek.library.caption_search import CaptionTable, LibraryCaptions, with_captions
from soundseek.library.database import Database, explained
from soundseek.library.facts import sound_facts
from soundseek.library.hits import Hit
from soundseek.library.names import NameMatches, match_names
from soundseek.library.query import Filters, Query, SearchOptions, checked_query
from soundseek.library.ranking import Ranked, by_sound, fuse
from soundseek.library.stored import window_vectors
from soundseek.library.vectors import LibraryVectors, WindowTable

if TYPE_CHECKING:
    from soundseek.bundle.runtime import Bundle

FloatArray = npt.NDArray[np.float32]
IndexArray = npt.NDArray[np.int64]


class Searcher:
    """Answers queries to one library, keeping its vectors in memory between them."""

    def __init__(self, database: Database, bundle: Bundle, cache_folder: Path) -> None:
        """Nothing is read before the first query. `bundle` must be the library's own."""
        self._database = database
        self._bundle = bundle
        self._vectors = LibraryVectors(database, cache_folder)
        self._captions = LibraryCaptions(database, cache_folder)
        self._candidates: tuple[WindowTable, Filters, IndexArray] | None = None

    def search(self, text: str | None = None, **options: Unpack[SearchOptions]) -> list[Hit]:
        """Return the `k` sounds that fit best, best first; fewer if there are fewer.

        `text` describes the sound. `like` is a file that resembles it: alone, or blended with the
        text, (1 - like_weight) * text + like_weight * like, normalised. The vector of the whole
        file stands for it.

        The score of a clip is the mean of two cosines, of its best window and of the whole clip;
        over 30 s the window counts more. With `like` it is that of the whole clip alone where that
        is higher, so that nothing is more like a file than itself. `without` describes what should
        not be heard: a clip loses as much as its score for that exceeds the median of all
        candidates, so that what is unlike it loses nothing; clips called like it are taken out of
        the ranking by names.

        Durations are in seconds, `folders` are searched with all below them, `formats` are such
        as "wav". All four narrow the candidates before the best are chosen. `hybrid` lets the
        names, folders and tags of files count, too, if there is a text (see `ranking.fuse`). So do
        captions where the library has some and `captions_weight` is not 0: their words like those
        of names (see `names.match_names`), and their meaning raises the score of the clip before
        the two orders are fused (see `caption_search.with_captions`).

        Raises QueryError for a query that cannot be answered, AudioError if `like` cannot be
        read, LibraryError if the library is damaged.
        """
        return self._answers([checked_query(text, **options)])[0]

    def search_many(
        self, texts: Sequence[str], **options: Unpack[SearchOptions]
    ) -> list[list[Hit]]:
        """Return what `search` returns for each text; all are checked before any is answered."""
        return self._answers([checked_query(text, **options) for text in texts])

    def _answers(self, queries: Sequence[Query]) -> list[list[Hit]]:
        """Answer queries that share `like` and filters."""
        texts = [text for query in queries for text in (query.text, query.without) if text]
        distinct = list(dict.fromkeys(texts))
        vectors: dict[str, FloatArray] = {}
        if distinct:
            vectors.update(zip(distinct, self._bundle.encode_text(distinct), strict=True))
        likes = {query.like for query in queries if query.like is not None}
        sounds = {like: self._sound_vector(like) for like in likes}
        with _one_state(self._database):
            table = self._vectors.table()
            return [self._answer(query, table, vectors, sounds) for query in queries]

    def _answer(
        self,
        query: Query,
        table: WindowTable,
        texts: dict[str, FloatArray],
        sounds: dict[str, FloatArray],
    ) -> list[Hit]:
        candidates = self._passing(table, query.filters)
        if not candidates.size:
            return []
        windows = self._scores(table, _vector(query, texts, sounds))
        similarities = table.clip_scores(windows, self._bundle.hop_s)
        if query.like is not None:
            similarities = np.maximum(similarities, table.whole_scores(windows))
        scores = similarities[candidates]
        captions = None
        if query.hybrid and query.text is not None and query.captions_weight > 0:
            captions = self._captions.table(table)
        if captions is not None and query.text is not None:
            nearness = captions.cosines(texts[query.text], threads=_threads())[candidates]
            scores = with_captions(scores, nearness, query.captions_weight)
        if query.without is not None:
            unwanted_windows = self._scores(table, texts[query.without])
            unwanted = table.clip_scores(unwanted_windows, self._bundle.hop_s)[candidates]
            scores -= np.maximum(0, unwanted - np.median(unwanted))
        if query.hybrid and query.text is not None:
            named, coverage = self._named(query, query.text, table, candidates, captions)
            ranking = fuse(scores, named, coverage, query.k)
        else:
            ranking = by_sound(scores, query.k)
        # From places among the candidates to places in the table.
        ranking = [ranked._replace(item=int(candidates[ranked.item])) for ranked in ranking]
        return self._hits(ranking, table, windows, similarities, query.filters)

    def _scores(self, table: WindowTable, vector: FloatArray) -> FloatArray:
        return table.scores(vector, threads=_threads())

    def _sound_vector(self, like: str) -> FloatArray:
        windows = window_vectors(self._bundle, like, self._database)
        return self._bundle.pool_windows(windows.vectors, windows.valid_samples)

    def _passing(self, table: WindowTable, filters: Filters) -> IndexArray:
        """Return the indices into the table's clips, ascending, of those that may be hits."""
        kept = self._candidates
        if kept is not None and kept[0] is table and kept[1] == filters:
            return kept[2]
        condition, parameters = filters.condition()
        rows = self._database.query(
            # SQLite leaves the join out where no condition needs it.
            "SELECT DISTINCT files.clip_id FROM files LEFT JOIN clips ON clips.id = files.clip_id"
            f" WHERE {condition}",
            parameters,
        )
        passing = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
        indices = np.flatnonzero(table.live & np.isin(table.clip_ids, passing))
        self._candidates = (table, filters, indices)
        return indices

    def _named(
        self,
        query: Query,
        text: str,
        table: WindowTable,
        candidates: IndexArray,
        captions: CaptionTable | None,
    ) -> tuple[IndexArray, FloatArray]:
        """Return which candidates (as indices into them) are called like the text, and how much."""

        def called(words: str) -> NameMatches:
            return match_names(
                self._database, words, query.filters, candidates.size, captions, candidates
            )

        matches = called(text)
        wanted = matches.clip_ids
        if query.without is not None:
            unwanted = called(query.without)
            wanted = np.setdiff1d(wanted, unwanted.clip_ids, assume_unique=True)
        ids = table.clip_ids[candidates]
        places = np.flatnonzero(np.isin(ids, wanted))
        return places, matches.coverage[np.searchsorted(matches.clip_ids, ids[places])]

    def _hits(
        self,
        ranking: list[Ranked],
        table: WindowTable,
        windows: FloatArray,
        similarities: FloatArray,
        filters: Filters,
    ) -> list[Hit]:
        clip_ids = [int(table.clip_ids[ranked.item]) for ranked in ranking]
        facts = sound_facts(self._database, clip_ids, filters)
        hits = []
        for rank, (ranked, clip_id) in enumerate(zip(ranking, clip_ids, strict=True), start=1):
            known = facts[clip_id]
            window = table.best_window(windows, ranked.item)
            start_s = window * self._bundle.hop_s
            end_s = min(start_s + self._bundle.window_s, known.duration_s)
            hits.append(
                Hit(
                    rank=rank,
                    score=ranked.score,
                    path=known.path,
                    start_s=start_s,
                    end_s=max(start_s, end_s),
                    duration_s=known.duration_s,
                    format=known.format,
                    sample_rate=known.sample_rate,
                    channels=known.channels,
                    tags=known.tags,
                    similarity=float(similarities[ranked.item]),
                    name_rank=ranked.name_rank,
                    also=known.also,
                    caption=known.caption,
                )
            )
        return hits


def _threads() -> int:
    from soundseek.bundle.network import usable_processors

    return usable_processors()


def _vector(
    query: Query, texts: dict[str, FloatArray], sounds: dict[str, FloatArray]
) -> FloatArray:
    """Return what to look for [dimension]: text, sound, or their normalised weighted sum."""
    if query.like is None:
        return texts[query.text or ""]
    sound = sounds[query.like]
    if query.text is None:
        return sound
    blend = (1 - query.like_weight) * texts[query.text] + query.like_weight * sound
    length = float(np.linalg.norm(blend))
    if length == 0.0:
        return texts[query.text]  # opposites: there is nothing between them
    return np.asarray(blend / length, dtype=np.float32)


@contextmanager
def _one_state(database: Database) -> Iterator[None]:
    """Let all statements within see the same state of the database, whoever writes meanwhile."""
    if database.connection.in_transaction:  # the caller's, who sees to that
        yield
        return
    with explained(database.path):
        database.connection.execute("BEGIN")
    try:
        yield
    finally:
        with explained(database.path):
            database.connection.execute("ROLLBACK")
