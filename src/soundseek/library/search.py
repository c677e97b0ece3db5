"""From a description, or a sound, to the files that sound like it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np
import numpy.typing as npt

from soundseek.errors import QueryError
from soundseek.library.caption_search import CaptionTable, LibraryCaptions, with_captions
from soundseek.library.database import Database, explained
from soundseek.library.facts import sound_facts
from soundseek.library.hits import Hit, Page
from soundseek.library.names import NameMatches, match_names
from soundseek.library.query import Filters, Query, SearchOptions, checked_query
from soundseek.library.ranking import Ranked, by_sound, fuse
from soundseek.library.stored import window_vectors
from soundseek.library.tables import SearchTables
from soundseek.library.vectors import LibraryVectors, WindowTable

if TYPE_CHECKING:
    from soundseek.bundle.runtime import Bundle

FloatArray = npt.NDArray[np.float32]
IndexArray = npt.NDArray[np.int64]


class Searcher:
    """Answers queries to one library, keeping its vectors in memory between them."""

    def __init__(
        self,
        database: Database,
        bundle: Bundle,
        cache_folder: Path,
        tables: SearchTables | None = None,
    ) -> None:
        """Nothing is read before the first query. `bundle` must be the library's own.

        `tables` may be shared with the searchers of other threads.
        """
        self._database = database
        self._bundle = bundle
        self._tables = SearchTables() if tables is None else tables
        self._vectors = LibraryVectors(
            database,
            cache_folder,
            kept=self._tables.windows,
            writes_cache=self._tables.writes_cache,
        )
        self._captions = LibraryCaptions(database, cache_folder, self._tables)

    def search(self, text: str | None = None, **options: Unpack[SearchOptions]) -> list[Hit]:
        """Return the `k` sounds that fit best, best first; fewer if there are fewer.

        `text` describes the sound. `like` is a file that resembles it, or the vector of one:
        alone, or blended with the text, (1 - like_weight) * text + like_weight * like, normalised.
        The vector of the whole file stands for it.

        The score of a clip is the mean of two cosines, of its best window and of the whole clip;
        over 30 s the window counts more. With `like` it is that of the whole clip alone where that
        is higher, so that nothing is more like a file than itself. `without` describes what should
        not be heard: a clip loses as much as its score for that exceeds the median of all
        candidates, so that what is unlike it loses nothing; clips called like it are taken out of
        the ranking by names.

        Durations are in seconds, `folders` are searched with all below them, `formats` are such
        as "wav". All four narrow the candidates before the best are chosen. `hybrid` lets the
        names, folders and tags of files count, too, if there is a text (see `ranking.fuse`). So do
        captions by people (and by a captioner with `generated_captions`) where the library has
        some and `captions_weight` is not 0: their words like those of names (see
        `names.match_names`), and their meaning raises the score of the clip before the two orders
        are fused (see `caption_search.with_captions`).

        Raises QueryError for a query that cannot be answered, AudioError if `like` cannot be
        read, LibraryError if the library is damaged.
        """
        return list(self.page(text, **options).hits)

    def page(self, text: str | None = None, **options: Unpack[SearchOptions]) -> Page:
        """Return what `search` does from the sound at `offset` on, and what it is part of.

        The first sounds of a ranking are the same however many are asked for.
        """
        return self._answers([checked_query(text, **options)])[0]

    def search_many(
        self, texts: Sequence[str], **options: Unpack[SearchOptions]
    ) -> list[list[Hit]]:
        """Return what `search` returns for each text; all are checked before any is answered."""
        return [list(page.hits) for page in self.pages(texts, **options)]

    def pages(self, texts: Sequence[str], **options: Unpack[SearchOptions]) -> list[Page]:
        """Return what `page` returns for each text; all are checked before any is answered."""
        return self._answers([checked_query(text, **options) for text in texts])

    def _answers(self, queries: Sequence[Query]) -> list[Page]:
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
    ) -> Page:
        candidates = self._passing(table, query.filters)
        if not candidates.size:
            return Page((), 0, np.empty(0, np.float32))
        windows = self._scores(table, self._vector(query, texts, sounds))
        similarities = table.clip_scores(windows, self._bundle.hop_s)
        if query.has_sound:
            similarities = np.maximum(similarities, table.whole_scores(windows))
        scores = similarities[candidates]
        captions = None
        if query.hybrid and query.text is not None and query.captions_weight > 0:
            captions = self._captions.table(table)
        if captions is not None and query.text is not None:
            nearness = captions.cosines(
                texts[query.text], generated=query.generated_captions, threads=_threads()
            )
            scores = with_captions(scores, nearness[candidates], query.captions_weight)
        if query.without is not None:
            unwanted_windows = self._scores(table, texts[query.without])
            unwanted = table.clip_scores(unwanted_windows, self._bundle.hop_s)[candidates]
            scores -= np.maximum(0, unwanted - np.median(unwanted))
        depth = query.offset + query.k
        if query.hybrid and query.text is not None:
            named, coverage = self._named(query, query.text, table, candidates, captions)
            ranking = fuse(scores, named, coverage, depth)
        else:
            ranking = by_sound(scores, depth)
        # From places among the candidates to places in the table.
        ranking = [
            ranked._replace(item=int(candidates[ranked.item])) for ranked in ranking[query.offset :]
        ]
        hits = self._hits(ranking, table, windows, similarities, query)
        return Page(tuple(hits), len(candidates), similarities[candidates])

    def _scores(self, table: WindowTable, vector: FloatArray) -> FloatArray:
        return table.scores(vector, threads=_threads())

    def _vector(
        self, query: Query, texts: dict[str, FloatArray], sounds: dict[str, FloatArray]
    ) -> FloatArray:
        """Return what to look for [dimension]: text, sound, or their normalised weighted sum."""
        if not query.has_sound:
            return texts[query.text or ""]
        sound = query.like_vector if query.like is None else sounds[query.like]
        if sound is None or len(sound) != (dimension := self._vectors.dimension):
            raise QueryError(
                f"the vector of the sound to resemble has {0 if sound is None else len(sound)} "
                f"values, those of this library {dimension}",
                remedy="embed the sound with the library's own model",
            )
        if query.text is None:
            return sound
        blend = (1 - query.like_weight) * texts[query.text] + query.like_weight * sound
        length = float(np.linalg.norm(blend))
        if length == 0.0:
            return texts[query.text]  # opposites: there is nothing between them
        return np.asarray(blend / length, dtype=np.float32)

    def _sound_vector(self, like: str) -> FloatArray:
        windows = window_vectors(self._bundle, like, self._database)
        return self._bundle.pool_windows(windows.vectors, windows.valid_samples)

    def _passing(self, table: WindowTable, filters: Filters) -> IndexArray:
        """Return the indices into the table's clips, ascending, of those that may be hits."""

        def make(_: object) -> IndexArray:
            return self._all_passing(table, filters)

        kept = self._tables.passing(filters)
        return kept.at(self._database.revision(), make, beside=table)

    def _all_passing(self, table: WindowTable, filters: Filters) -> IndexArray:
        condition, parameters = filters.condition()
        rows = self._database.query(
            # SQLite leaves the join out where no condition needs it. Clips with copies come twice.
            "SELECT files.clip_id FROM files LEFT JOIN clips ON clips.id = files.clip_id"
            f" WHERE {condition}",
            parameters,
        )
        passing = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
        return np.flatnonzero(table.live & np.isin(table.clip_ids, passing))

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
                self._database,
                words,
                query.filters,
                candidates.size,
                captions,
                candidates,
                generated_captions=query.generated_captions,
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
        query: Query,
    ) -> list[Hit]:
        clip_ids = [int(table.clip_ids[ranked.item]) for ranked in ranking]
        facts = sound_facts(self._database, clip_ids, query.filters)
        hits = []
        for rank, (ranked, clip_id) in enumerate(
            zip(ranking, clip_ids, strict=True), start=query.offset + 1
        ):
            known = facts.get(clip_id)
            if known is None:
                continue  # gone since tables that are shared were made
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
