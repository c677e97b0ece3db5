"""Index jobs: start, watch, cancel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

from anyio import to_thread
from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from soundseek.serve.access import State
from soundseek.serve.finding import shown
from soundseek.serve.job_events import job_events, last_event_id
from soundseek.serve.jobs import IndexJobs, Job
from soundseek.serve.problems import Problem, problem_responses

router = APIRouter(tags=["jobs"])

_STREAM: Final = {"text/event-stream": {"schema": {"type": "string"}}}


class JobRequest(BaseModel):
    """What to do."""

    kind: Literal["index"]
    roots: list[int] | None = Field(
        default=None,
        max_length=1000,
        description="Numbers of roots in `/status`; null for all.",
    )
    captions: bool = Field(default=False, description="Then say in words what new sounds are.")


class FailedFileAnswer(BaseModel):
    """A file that could not be read."""

    path: str
    reason: str


class JobAnswer(BaseModel):
    """How a job stands; it is forgotten when the server ends."""

    id: str
    kind: Literal["index"]
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    doing: Literal["listening", "captioning"] = Field(description="What done and total count.")
    done: int
    total: int
    rate: float | None = Field(description="Files a second.")
    eta_s: float | None = Field(description="Seconds that are left.")
    current: str | None = Field(description="The file that was done last.")
    indexed: int
    unchanged: int
    captioned: int | None
    failed: list[FailedFileAnswer] = Field(description="The first 100.")
    failed_count: int
    started_at: str
    ended_at: str | None
    error: str | None
    note: str | None


class JobsAnswer(BaseModel):
    """The jobs since the server started, the latest first."""

    jobs: list[JobAnswer]


JobId = Annotated[str, Path(alias="id", max_length=64)]


@router.post(
    "/jobs",
    status_code=202,
    summary="Start to index",
    responses=problem_responses(409, 422, 503),
)
async def start(state: State, wanted: JobRequest) -> JobAnswer:
    """Index folders that the library knows, in a process of its own; one job at a time."""
    jobs = _jobs(state)
    job = await to_thread.run_sync(lambda: jobs.start(wanted.roots, captions=wanted.captions))
    return _answer(job)


@router.get("/jobs", summary="The jobs")
async def every(state: State) -> JobsAnswer:
    """List the jobs since the server started."""
    return JobsAnswer(jobs=[_answer(job) for job in _jobs(state).all()])


@router.get("/jobs/{id}", summary="How a job stands", responses=problem_responses(404))
async def one(state: State, job_id: JobId) -> JobAnswer:
    """Tell how a job stands."""
    return _answer(_jobs(state).get(job_id))


@router.delete("/jobs/{id}", summary="Cancel a job", responses=problem_responses(404))
async def cancel(state: State, job_id: JobId) -> JobAnswer:
    """Have it stop after the file at hand; what is committed is kept."""
    return _answer(_jobs(state).cancel(job_id))


@router.get(
    "/jobs/{id}/events",
    summary="Watch a job",
    response_class=Response,
    responses={
        200: {"description": "Events: progress, done, error; each a whole job", "content": _STREAM},
        204: {"description": "The job is over, and the client knows"},
        **problem_responses(404),
    },
)
async def events(request: Request, state: State, job_id: JobId) -> Response:
    """Send server-sent events until the job is over; understands Last-Event-ID."""
    jobs = _jobs(state)
    job = jobs.get(job_id)
    seen = last_event_id(request.headers.get("last-event-id"))
    if job.is_over and seen >= job.version:
        return Response(status_code=204)  # tells an EventSource not to come back

    def told(now: Job) -> dict[str, Any]:
        return _answer(now).model_dump()

    stream: AsyncIterator[str] = job_events(
        lambda: jobs.get(job_id), told, seen=seen, stopped=state.stopping.is_set
    )
    return StreamingResponse(
        stream,
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


def _jobs(state: State) -> IndexJobs:
    if not isinstance(state.jobs, IndexJobs):
        raise Problem(503, "this server does not index")
    return state.jobs


def _answer(job: Job) -> JobAnswer:
    fields = asdict(job)
    del fields["version"]
    fields["current"] = None if job.current is None else shown(job.current)
    fields["failed"] = [
        FailedFileAnswer(path=shown(one.path), reason=shown(one.reason)) for one in job.failed
    ]
    return JobAnswer(kind="index", **fields)
