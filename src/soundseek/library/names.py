"""Which files are called like the query: full-text search in folders, names, tags and captions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from soundseek.library.database import Database
from soundseek.library.query import Filters
from soundseek.library.wording import split_words

if TYPE_CHECKING:
    from soundseek.library.caption_search import CaptionTable

GENERATED_TRUST = 0.1
"""What a word in a generated caption counts, where one that people wrote counts 1. Measured (see
docs/captioning-library.md): 0.25 costs more than its words are worth beside their meaning."""

# Words that name no sound. A list, since in a small library no word is frequent enough to show.
_GRAMMAR = """
    a about an and are as at be by can for from has have in into is it its of off on or over some
    sound sounds that the their there this to under up very was were which while who with
"""
_STOP_WORDS = frozenset(_GRAMMAR.split())
_LETTERS_FOR_PREFIX = 4
_MOST_WORDS = 32
_NOTHING: npt.NDArray[np.int64] = np.empty(0, np.int64)


class NameMatches(NamedTuple):
    """Clips whose files match: ids int64 [n], ascending, and how much of the query they match,
    float32 [n], above 0 up to 1."""

    clip_ids: npt.NDArray[np.int64]
    coverage: npt.NDArray[np.float32]


def query_words(text: str) -> tuple[str, ...]:
    """Return the different words of `text` that can tell names apart, at most 32."""
    words = dict.fromkeys(split_words(text.lower()).split())
    return tuple(word for word in words if word not in _STOP_WORDS)[:_MOST_WORDS]


def match_names(
    database: Database,
    text: str,
    filters: Filters,
    n_clips: int,
    captions: CaptionTable | None = None,
    candidates: npt.NDArray[np.int64] = _NOTHING,
    *,
    generated_captions: bool = False,
) -> NameMatches:
    """Find the clips that have a file which passes `filters` and matches words of `text`.

    A word of four letters or more also matches the start of a longer one. Words weigh the more
    the fewer of the `n_clips` candidates have them (log(1 + n_clips / matches)), and a clip's
    coverage is the weight of its words over that of all, so that the words which no name has
    count against it. Any text is safe: its words are quoted.

    With `captions`, words in those of the `candidates` (indices of clips) count as well: like
    names where people wrote them, and, with `generated_captions`, `GENERATED_TRUST` of that where
    a captioner did.
    """
    found: list[tuple[npt.NDArray[np.int64], float]] = []
    total = 0.0
    for word in query_words(text):
        ids = _clips_with(database, word, filters)
        generated = _NOTHING
        if captions is not None:
            written, generated = captions.clips_with(
                database, _expression(word), candidates, generated=generated_captions
            )
            ids = np.concatenate([ids, written[~np.isin(written, ids)]])
            generated = generated[~np.isin(generated, ids)]
        weight = math.log1p(n_clips / max(len(ids) + len(generated), 1))
        total += weight
        found += [(ids, weight), (generated, GENERATED_TRUST * weight)]
    if not found or total == 0.0:
        return NameMatches(np.empty(0, np.int64), np.empty(0, np.float32))
    clip_ids = np.unique(np.concatenate([ids for ids, _ in found]))
    coverage = np.zeros(len(clip_ids), dtype=np.float64)
    for ids, weight in found:
        coverage[np.searchsorted(clip_ids, ids)] += weight
    return NameMatches(clip_ids, (coverage / total).astype(np.float32))


def _expression(word: str) -> str:
    # Quoted, a word is never taken for an operator; split_words has left no quotes inside.
    prefix = "*" if len(word) >= _LETTERS_FOR_PREFIX and not word.isdigit() else ""
    return f'"{word}"{prefix}'


def _clips_with(database: Database, word: str, filters: Filters) -> npt.NDArray[np.int64]:
    condition, parameters = filters.condition()
    rows = database.query(
        "SELECT DISTINCT files.clip_id FROM names JOIN files ON files.id = names.rowid"
        " LEFT JOIN clips ON clips.id = files.clip_id"
        f" WHERE names MATCH ? AND {condition}",
        (_expression(word), *parameters),
    )
    return np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
