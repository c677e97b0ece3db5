"""The library as a whole: what it holds and what it can be filtered by."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from fastapi import APIRouter

import soundseek
from soundseek.errors import BundleError
from soundseek.library.schema import path_to_blob
from soundseek.serve import schemas
from soundseek.serve.access import State
from soundseek.serve.finding import calibration_of, shown
from soundseek.serve.problems import problem_responses

if TYPE_CHECKING:
    from soundseek.library import Library
    from soundseek.serve.state import ServerState

router = APIRouter(tags=["library"], responses=problem_responses(503))


@router.get("/status", summary="The state of the server")
def status(state: State) -> schemas.Status:
    """Return what the library holds, which model answers, and what the server allows."""
    with state.library() as library:
        held = _held(state, library)
        bundle = library.bundle
    settings = state.settings
    return schemas.Status(
        version=soundseek.__version__,
        library=held,
        model=schemas.ModelStatus(
            name=bundle.name,
            fingerprint=bundle.fingerprint,
            calibrated=calibration_of(bundle) is not None,
        ),
        captioner=_captioner(bundle.fingerprint, bundle.name),
        roots=[
            schemas.Root(index=index, path=shown(str(path)), available=path.exists())
            for index, path in enumerate(state.roots())
        ],
        limits=schemas.Limits(
            max_upload_bytes=settings.max_upload_bytes,
            max_query_chars=settings.max_query_chars,
            max_k=settings.max_k,
            max_batch=settings.max_batch,
            max_export_sounds=settings.max_export_sounds,
            max_export_bytes=settings.max_export_bytes,
            requests_per_minute=settings.requests_per_minute,
            upload_ttl_s=settings.upload_ttl_s,
        ),
        jobs_running=0 if state.jobs is None else state.jobs.running(),
    )


@router.get("/facets", summary="What the library can be filtered by")
def facets(state: State) -> schemas.Facets:
    """Return formats, folders and durations with the numbers of files."""
    with state.library() as library:
        listing = state.listing(library)
        roots = json.loads(library.database.meta()["roots"])
    lengths = listing.durations_s
    return schemas.Facets(
        formats=[
            schemas.FormatCount(value=name, count=count) for name, count in listing.format_counts
        ],
        folders=[
            schemas.FolderCount(path=shown(path), count=count)
            for path, count in listing.folder_counts([path_to_blob(root) for root in roots])
        ],
        duration_s=schemas.DurationRange(
            min=float(lengths.min()) if len(listing) else None,
            max=float(lengths.max()) if len(listing) else None,
        ),
    )


def _held(state: ServerState, library: Library) -> schemas.LibraryStatus:
    database = library.database
    states = dict(database.query("SELECT state, count(*) FROM files GROUP BY state"))
    clips, windows = database.query("SELECT count(*), total(n_windows) FROM clips")[0]
    captioned = 0
    if database.has_captions():
        ((captioned,),) = database.query(
            "SELECT count(DISTINCT clip_id) FROM captions WHERE text <> ''"
        )
    return schemas.LibraryStatus(
        path=shown(str(state.folder)),
        clips=clips,
        files=states.get("present", 0),
        windows=int(windows),
        hours=round(state.listing(library).seconds / 3600, 4),
        failed=states.get("failed", 0),
        captioned=captioned,
        missing=states.get("missing", 0),
    )


@lru_cache(maxsize=4)
def _captioner(fingerprint: str, name: str) -> str | None:
    """Return the name of the captioner for a model; None if none is installed."""
    from soundseek.bundle.captioning.catalogue import path_for

    try:
        return path_for(fingerprint, name).name
    except BundleError:
        return None
