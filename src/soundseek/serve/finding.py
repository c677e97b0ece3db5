"""From a request to search to the library's search, and from its hits to those of the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from soundseek.library.schema import path_to_blob
from soundseek.serve import schemas
from soundseek.serve.filters import FilterParameters
from soundseek.serve.probability import Meanings, of_hits
from soundseek.serve.problems import Problem
from soundseek.serve.stored_files import find_file

if TYPE_CHECKING:
    from soundseek.bundle.runtime import Bundle
    from soundseek.bundle.schema import Calibration
    from soundseek.library import Library
    from soundseek.library.database import Database
    from soundseek.library.hits import Page
    from soundseek.serve.state import ServerState

_PATHS_PER_STATEMENT = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is searched for beside the text; see `soundseek.library.query.SearchOptions`."""

    like: str | None
    upload: str | None
    without: str | None
    like_weight: float
    names: bool
    captions: float
    filters: FilterParameters
    offset: int
    limit: int


def find(state: ServerState, texts: Sequence[str | None], wanted: Wanted) -> list[Found]:
    """Answer texts (one None where a sound says it all) under the same conditions.

    Raises Problem for what the settings do not allow and for ids that are not there, QueryError
    for a query that cannot be answered.
    """
    _check(state, texts, wanted)
    # Before a library is borrowed: it may wait.
    upload = None if wanted.upload is None else state.upload_vector(wanted.upload)
    with state.library() as library:
        options = _options(library, wanted, upload)
        if None in texts:
            pages = [library.page(None, **options)]
        else:
            pages = library.pages([text for text in texts if text is not None], **options)
        return [_found(state, library, page, is_text=options["like"] is None) for page in pages]


@dataclass(frozen=True, slots=True)
class Found:
    """Hits, and how many sounds can be reached."""

    hits: list[schemas.Hit]
    total: int


def _check(state: ServerState, texts: Sequence[str | None], wanted: Wanted) -> None:
    settings = state.settings
    for text in (*texts, wanted.without):
        if text is not None and len(text) > settings.max_query_chars:
            raise Problem(
                422,
                f"the text has {len(text):,} characters, {settings.max_query_chars:,} are the "
                "limit",
                remedy="describe the sound in a sentence",
            )
    if wanted.offset + wanted.limit > settings.max_k:
        raise Problem(
            422,
            f"the first {settings.max_k:,} sounds of a ranking can be reached",
            remedy="narrow the search with a filter",
        )
    if wanted.like is not None and wanted.upload is not None:
        raise Problem(422, "like and upload cannot go together", remedy="choose one")
    if None in texts and wanted.like is None and wanted.upload is None:
        raise Problem(
            422, "there is nothing to search for", remedy="give q, like or upload, or q with one"
        )


def _options(library: Library, wanted: Wanted, upload: Any) -> dict[str, Any]:
    like = upload
    if wanted.like is not None:
        like = library.clip_vector(find_file(library.database, wanted.like).path)
    return {
        "like": like,
        "without": wanted.without,
        "k": wanted.limit,
        "offset": wanted.offset,
        "min_duration": wanted.filters.min_duration,
        "max_duration": wanted.filters.max_duration,
        "folders": wanted.filters.folders(),
        "formats": wanted.filters.format,
        "hybrid": wanted.names,
        "like_weight": wanted.like_weight,
        "captions_weight": wanted.captions,
    }


def _found(state: ServerState, library: Library, page: Page, *, is_text: bool) -> Found:
    meanings = Meanings(page.similarities, calibration_of(library.bundle), is_text=is_text)
    ids = _ids(library.database, [hit.path for hit in page.hits])
    hits = []
    for hit in page.hits:
        if hit.path not in ids:
            continue  # forgotten between two statements
        meaning = meanings.of(hit.similarity)
        hits.append(
            schemas.Hit(
                **place(hit.path),
                id=ids[hit.path],
                duration_s=hit.duration_s,
                sample_rate=hit.sample_rate,
                channels=hit.channels,
                format=hit.format,
                tags=list(hit.tags),
                rank=hit.rank,
                score=hit.score,
                similarity=hit.similarity,
                probability=meaning.probability,
                percentile=meaning.percentile,
                name_rank=hit.name_rank,
                start_s=hit.start_s,
                end_s=hit.end_s,
                caption=hit.caption,
            )
        )
    return Found(hits, min(page.total, state.settings.max_k))


def calibration_of(bundle: Bundle) -> Calibration | None:
    """Return how the model tells the probability that a hit is right; None if it cannot."""
    return of_hits(bundle.manifest.similarity.calibration)


def place(path: str) -> dict[str, str]:
    """Return name, path and folder of a file as JSON can hold them."""
    pure = PurePath(path)
    return {"name": shown(pure.name), "path": shown(path), "folder": shown(str(pure.parent))}


def shown(text: str) -> str:
    """Return a path with bytes that are no text as backslash escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _ids(database: Database, paths: Sequence[str]) -> dict[str, str]:
    ids: dict[str, str] = {}
    for start in range(0, len(paths), _PATHS_PER_STATEMENT):
        blobs = {path_to_blob(path): path for path in paths[start : start + _PATHS_PER_STATEMENT]}
        for file_id, blob in database.query(
            f"SELECT id, path FROM files WHERE path IN ({', '.join('?' * len(blobs))})",
            tuple(blobs),
        ):
            ids[blobs[blob]] = str(file_id)
    return ids
