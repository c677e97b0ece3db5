"""A list of clips as a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse

from soundseek.library.captions import best_captions
from soundseek.serve import schemas
from soundseek.serve.access import State
from soundseek.serve.describing import NO_ATTRIBUTION, attribution_of
from soundseek.serve.export import Exported, as_csv, as_m3u, check_zip_size, zipped
from soundseek.serve.problems import Problem, problem_responses
from soundseek.serve.stored_files import find_file, opened

if TYPE_CHECKING:
    from soundseek.library.database import Database
    from soundseek.serve.state import ServerState
    from soundseek.serve.stored_files import StoredFile

router = APIRouter(tags=["export"])

_CSV: Final = "text/csv"
_M3U: Final = "audio/x-mpegurl"
_ZIP: Final = "application/zip"
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file.",
        "content": {
            _CSV: {"schema": {"type": "string"}},
            _M3U: {"schema": {"type": "string"}},
            _ZIP: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.post(
    "/export",
    summary="Take clips away",
    response_class=Response,
    responses=_ANSWERS | problem_responses(404, 413, 415, 503),
)
def export(state: State, request: schemas.ExportRequest) -> Response:
    """Return the clips as a table (csv), a playlist (m3u), or with their sounds (zip).

    A ZIP is made while it is sent. In it are list.csv and ATTRIBUTION.txt, and what could not be
    read is listed there. Clips that the library has forgotten are left out.
    """
    ids = list(dict.fromkeys(request.ids))
    if len(ids) > state.settings.max_export_sounds:
        raise Problem(
            413,
            f"{len(ids):,} sounds are more than {state.settings.max_export_sounds:,}",
            remedy="export fewer at once",
        )
    clips = _exported(state, ids)
    if request.format == "zip":
        check_zip_size(clips, state.settings.max_export_bytes)
        blocks: Iterator[bytes] = (block for block in zipped(clips) if block)
        return StreamingResponse(blocks, media_type=_ZIP, headers=_attached("sounds.zip"))
    if request.format == "m3u":
        return Response(as_m3u(clips), media_type=_M3U, headers=_attached("sounds.m3u"))
    return Response(as_csv(clips), media_type=_CSV, headers=_attached("sounds.csv"))


def _exported(state: ServerState, ids: Sequence[str]) -> list[Exported]:
    with state.library() as library:
        files = _found(library.database, ids)
        captions = best_captions(library.database, [file.clip_id for file in files])
    clips = []
    for file in files:
        attribution = _attribution(file)
        clips.append(
            Exported(file, captions.get(file.clip_id), attribution.text, attribution.licence)
        )
    return clips


def _found(database: Database, ids: Sequence[str]) -> list[StoredFile]:
    """Return the files that are still there; raises Problem 404 if none is."""
    files = []
    for file_id in ids:
        try:
            files.append(find_file(database, file_id))
        except Problem as problem:
            if problem.status != 404:
                raise
    if not files:
        raise Problem(404, "none of these clips is in the library any more")
    return files


def _attribution(file: StoredFile) -> schemas.Attribution:
    try:
        with opened(file) as handle:
            return attribution_of(file, handle)
    except Problem:
        return NO_ATTRIBUTION  # the list says that the file is gone


def _attached(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
