"""Finding sounds: by text, by a clip or a sound that was sent, or by both."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query

from soundseek.library.query import CAPTIONS_WEIGHT
from soundseek.serve import schemas
from soundseek.serve.access import State, searched
from soundseek.serve.filters import FilterOptions, FilterParameters
from soundseek.serve.finding import Wanted, find
from soundseek.serve.problems import Problem, problem_responses

router = APIRouter(tags=["search"], responses=problem_responses(404, 503))


@router.get("/search", summary="Find sounds")
async def search(
    state: State,
    filters: FilterOptions,
    q: Annotated[str | None, Query(description="What to hear.")] = None,
    like: Annotated[str | None, Query(description="The id of a clip that it resembles.")] = None,
    upload: Annotated[str | None, Query(description="The id of a sound that was sent.")] = None,
    without: Annotated[str | None, Query(description="What should not be heard.")] = None,
    like_weight: Annotated[float, Query(ge=0, le=1, description="Share of the sound.")] = 0.5,
    names: Annotated[bool, Query(description="Whether names and captions count.")] = True,
    captions: Annotated[
        float, Query(ge=0, le=1, description="How much captions count.")
    ] = CAPTIONS_WEIGHT,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> schemas.SearchAnswer:
    """Return the sounds that fit best, from the one at `offset` on.

    Give `q`, or `like`, or `upload`, or `q` with one of the two. Pages of one query fit together:
    the first sounds are the same however many are asked for.
    """
    start = time.perf_counter()
    wanted = Wanted(like, upload, without, like_weight, names, captions, filters, offset, limit)

    def work() -> schemas.SearchAnswer:
        (found,) = find(state, [q], wanted)
        return schemas.SearchAnswer(
            query=schemas.SearchOptions(
                q=q,
                like=like,
                upload=upload,
                without=without,
                like_weight=like_weight,
                names=names,
                captions=captions,
                min_duration=filters.min_duration,
                max_duration=filters.max_duration,
                folder=list(filters.folder),
                format=list(filters.format),
            ),
            offset=offset,
            limit=limit,
            total=found.total,
            unknown_words=state.bundle.unknown_words(q) if q else [],
            took_ms=round((time.perf_counter() - start) * 1000, 2),
            hits=found.hits,
        )

    return await searched(state, work)


@router.post(
    "/search/batch", summary="Find sounds for many texts", responses=problem_responses(413, 415)
)
async def batch(state: State, request: schemas.BatchRequest) -> schemas.BatchAnswer:
    """Return the first sounds for each text, all under the same conditions."""
    if len(request.queries) > state.settings.max_batch:
        raise Problem(
            422,
            f"{len(request.queries):,} texts are more than {state.settings.max_batch:,}",
            remedy="send them in several requests",
        )
    wanted = Wanted(
        request.like,
        request.upload,
        request.without,
        request.like_weight,
        request.names,
        request.captions,
        FilterParameters(
            request.min_duration, request.max_duration, tuple(request.folder), tuple(request.format)
        ),
        0,
        request.limit,
    )

    def work() -> schemas.BatchAnswer:
        found = find(state, request.queries, wanted)
        return schemas.BatchAnswer(
            answers=[
                schemas.BatchPart(query=text, hits=one.hits)
                for text, one in zip(request.queries, found, strict=True)
            ]
        )

    return await searched(state, work)
