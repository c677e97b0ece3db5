"""A clip's sound, waveform and spectrogram."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from soundseek.serve import media
from soundseek.serve.access import State
from soundseek.serve.byte_response import BytesOf, disposition
from soundseek.serve.peaks import FEWEST_BINS, MOST_BINS
from soundseek.serve.problems import problem_responses
from soundseek.serve.ranges import condition

router = APIRouter(tags=["media"])

_PROBLEMS: Final = problem_responses(404, 409, 422, 503)
_ANY_BYTES: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}


class PeaksAnswer(BaseModel):
    """The lowest and highest samples of equal parts of a clip; full scale is ±127."""

    bins: int
    duration_s: float
    min: list[Annotated[int, Field(ge=-128, le=127)]]
    max: list[Annotated[int, Field(ge=-128, le=127)]]


@router.head("/clips/{id}/audio", include_in_schema=False)
@router.get(
    "/clips/{id}/audio",
    summary="The sound of a clip",
    response_class=Response,
    responses={
        200: {"description": "The whole sound", "content": {"audio/*": _ANY_BYTES}},
        206: {"description": "A range of it", "content": {"audio/*": _ANY_BYTES}},
        304: {"description": "The client has it"},
        **problem_responses(404, 406, 409, 412, 416, 422, 503),
    },
)
async def audio(
    request: Request,
    state: State,
    clip_id: Annotated[str, Path(alias="id")],
    wanted: Annotated[
        media.Wanted,
        Query(alias="as", description="`auto`: the file if browsers play it, else Opus or WAV."),
    ] = "auto",
    download: Annotated[bool, Query(description="The file itself, to be saved.")] = False,
) -> Response:
    """Give the sound; single byte ranges and conditional requests are understood."""
    found = await media.sound(state, clip_id, "original" if download else wanted)
    try:
        return BytesOf(
            found.handle,
            found.close,
            request_headers=request.headers,
            method=request.method,
            validators=found.validators,
            headers={
                "content-type": found.media_type,
                "content-disposition": disposition(found.name, attachment=download),
            },
        )
    except BaseException:
        found.close()
        raise


@router.get("/clips/{id}/peaks", summary="The waveform of a clip", responses=_PROBLEMS)
async def peaks(
    state: State,
    clip_id: Annotated[str, Path(alias="id")],
    bins: Annotated[int, Query(ge=FEWEST_BINS, le=MOST_BINS)] = 800,
) -> PeaksAnswer:
    """Give the peaks for drawing a waveform of `bins` columns."""
    file, found = await media.peaks(state, clip_id, bins)
    low, high = found.tolist()
    return PeaksAnswer(bins=bins, duration_s=file.duration_s, min=low, max=high)


@router.get(
    "/clips/{id}/spectrogram.png",
    summary="A picture of a clip",
    response_class=Response,
    responses={
        200: {"description": "The picture", "content": {"image/png": _ANY_BYTES}},
        304: {"description": "The client has it"},
        **_PROBLEMS,
    },
)
async def spectrogram(
    request: Request,
    state: State,
    clip_id: Annotated[str, Path(alias="id")],
    width: Annotated[int, Query(ge=16, le=2000)] = 800,
    height: Annotated[int, Query(ge=16, le=512)] = 128,
) -> Response:
    """Give a log-mel spectrogram: quiet is transparent, so it stands on dark and light."""
    content, validators = await media.picture(state, clip_id, width, height)
    headers = {"etag": validators.etag, "cache-control": "private, no-cache"}
    if condition(request.headers, validators) == 304:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="image/png", headers=headers)
