"""Sounds to search by, sent by clients."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from soundseek.serve.access import State
from soundseek.serve.problems import Problem, problem_responses
from soundseek.serve.uploads import KeptUploads, Upload

router = APIRouter(tags=["search"])

_FIELD: Final = "sound"
# For the boundaries and headers around the file.
_WRAPPING_BYTES: Final = 64 << 10
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [_FIELD],
                    "properties": {_FIELD: {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


class UploadAnswer(BaseModel):
    """A sound that can be searched by: `GET /search?upload=ID`."""

    id: str = Field(description="Random; whoever has it may use the sound.")
    duration_s: float = Field(description="Length of the sound, in seconds.")
    expires_in_s: float = Field(description="How long it is kept, in seconds.")


@router.post(
    "/uploads",
    status_code=201,
    summary="Send a sound to search by",
    responses=problem_responses(400, 413, 415, 422, 503),
    openapi_extra=_BODY,
)
async def upload(request: Request, state: State) -> UploadAnswer:
    """Keep the vector of a sound, sent as the multipart field `sound`; the sound itself is dropped.

    It is decoded in a process of its own with limits on time, memory and length.
    """
    uploads = state.uploads
    if not isinstance(uploads, KeptUploads):
        raise Problem(503, "this server takes no sounds")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "multipart/form-data":
        raise Problem(
            415, "a sound is sent as multipart/form-data", remedy=f"name the field {_FIELD!r}"
        )
    received = await _received(request, state.settings.max_upload_bytes)

    def work() -> Upload:
        with tempfile.TemporaryDirectory(prefix="soundseek-upload-") as folder:
            path = Path(folder) / "sound"
            with path.open("wb") as file:
                shutil.copyfileobj(received.file, file)
            return uploads.add(path)

    try:
        kept = await state.decodes.run(work)
    finally:
        await received.close()
    return UploadAnswer(id=kept.id, duration_s=kept.duration_s, expires_in_s=kept.expires_in_s)


async def _received(request: Request, max_bytes: int) -> UploadFile:
    """Return the one file of the form; Problem 413 as soon as it is known to be too large."""
    stream = _limited(request, max_bytes)
    parser = MultiPartParser(request.headers, stream, max_files=1, max_fields=4, max_part_size=1024)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Problem(400, f"the form cannot be read: {error.message}") from error
    found = form.get(_FIELD)
    if not isinstance(found, UploadFile):
        await form.close()
        raise Problem(422, f"there is no file in the field {_FIELD!r}")
    if not found.size:
        await form.close()
        raise Problem(422, "the sound is empty (0 bytes)")
    return found


async def _limited(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    limit = max_bytes + _WRAPPING_BYTES
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and len(announced) < 20 and int(announced) > limit:
        raise _too_large(max_bytes)
    n_bytes = 0
    async for block in request.stream():
        n_bytes += len(block)
        if n_bytes > limit:
            raise _too_large(max_bytes)
        yield block


def _too_large(max_bytes: int) -> Problem:
    return Problem(
        413,
        f"the sound has more than {max_bytes:,} bytes",
        remedy="send the part of it that matters, or as FLAC, MP3 or Opus",
    )
