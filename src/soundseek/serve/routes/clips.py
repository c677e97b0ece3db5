"""The clips of the library: all of them, one of them, and where in one a text fits."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query

from soundseek.library.moments import moments_in, window_scores
from soundseek.library.query import check_text
from soundseek.library.stored import windows_of_clip
from soundseek.serve import schemas
from soundseek.serve.access import State, searched
from soundseek.serve.describing import NO_ATTRIBUTION, attribution_of, described, summaries
from soundseek.serve.filters import FilterOptions
from soundseek.serve.finding import calibration_of
from soundseek.serve.probability import probability
from soundseek.serve.problems import Problem, problem_responses
from soundseek.serve.stored_files import find_file, opened

router = APIRouter(tags=["clips"])

_MOST_POINTS = 4000


@router.get("/clips", summary="Browse the library", responses=problem_responses(503))
def clips(
    state: State,
    filters: FilterOptions,
    sort: Annotated[
        Literal["name", "duration", "newest"],
        Query(description="By path, the shortest first, or what came in last first."),
    ] = "name",
    offset: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> schemas.ClipList:
    """Return files of the library without searching for anything."""
    checked = filters.checked()
    with state.library() as library:
        listing = state.listing(library)
        total, ids = listing.page(checked, order=sort, offset=offset, limit=limit)
        return schemas.ClipList(total=total, clips=summaries(library.database, ids))


@router.get("/clips/{clip_id}", summary="Describe a clip", responses=problem_responses(404, 503))
def clip(state: State, clip_id: str) -> schemas.Clip:
    """Return what is known of a clip; its attribution only while its file is there."""
    with state.library() as library:
        file = find_file(library.database, clip_id)
        try:
            with opened(file) as handle:
                attribution = attribution_of(file, handle)
        except Problem:
            attribution = NO_ATTRIBUTION
        return described(library.database, file, attribution)


@router.get(
    "/clips/{clip_id}/moments",
    summary="Find where in a clip a text fits",
    responses=problem_responses(404, 503),
)
async def moments(
    state: State,
    clip_id: str,
    q: Annotated[str, Query(description="What to hear.")],
    limit: Annotated[int, Query(ge=1, le=100)] = 5,
) -> schemas.Moments:
    """Return the parts of a clip that fit best, and how well each window of it fits.

    Nothing is listened to: the vectors are those of indexing. The curve of a very long clip has
    the best of neighbouring windows.
    """
    if len(q) > state.settings.max_query_chars:
        raise Problem(422, f"the text has more than {state.settings.max_query_chars:,} characters")

    def work() -> schemas.Moments:
        check_text(q)
        with state.library() as library:
            bundle = library.bundle
            file = find_file(library.database, clip_id)
            windows = windows_of_clip(bundle, file.clip_id, library.database)
        if windows is None:
            raise Problem(404, f"there are no windows of clip {clip_id}")
        scores = window_scores(windows, bundle.encode_text(q)[0])
        calibration = calibration_of(bundle)
        return schemas.Moments(
            moments=[
                schemas.MomentOf(
                    start_s=moment.start_s,
                    end_s=moment.end_s,
                    score=moment.score,
                    probability=probability(calibration, moment.score) if calibration else None,
                )
                for moment in moments_in(windows, scores, bundle.sample_rate, limit)
            ],
            curve=_curve(windows.starts_s, scores),
        )

    return await searched(state, work)


def _curve(
    starts_s: np.typing.NDArray[np.float64], scores: np.typing.NDArray[np.float32]
) -> list[schemas.CurvePoint]:
    together = -(-len(scores) // _MOST_POINTS)
    first = np.arange(0, len(scores), together)
    highest = np.maximum.reduceat(scores, first)
    points = zip(starts_s[first].tolist(), highest.tolist(), strict=True)
    return [schemas.CurvePoint(start_s=start_s, score=score) for start_s, score in points]
