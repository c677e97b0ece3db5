"""A job as server-sent events (HTML Living Standard, section 9.2)."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from anyio import sleep

from soundseek.serve.jobs import Job

RETRY_MS: Final = 2000
HEARTBEAT_S: Final = 10.0
_POLL_S: Final = 0.2


def last_event_id(header: str | None) -> int:
    """Return the number in Last-Event-ID; 0 for none, or what is none of ours."""
    text = header or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0


async def job_events(
    job: Callable[[], Job],
    told: Callable[[Job], dict[str, Any]],
    *,
    seen: int = 0,
    stopped: Callable[[], bool] = lambda: False,
    heartbeat_s: float = HEARTBEAT_S,
) -> AsyncIterator[str]:
    """Yield the events of a job until it is over (`progress`, then `done` or `error`), or the
    server has `stopped`.

    Each holds all of `told(job())`, so nothing is lost by missing one. Its id is the job's version:
    a client that comes back with it gets what changed after `seen`.
    """
    yield f"retry: {RETRY_MS}\n\n"
    last_sent = time.monotonic()
    while True:
        now = job()
        if now.version > seen:
            seen = now.version
            last_sent = time.monotonic()
            yield f"id: {seen}\nevent: {_name(now)}\ndata: {json.dumps(told(now))}\n\n"
        if now.is_over or stopped():
            return
        if time.monotonic() - last_sent >= heartbeat_s:
            last_sent = time.monotonic()
            yield ": still there\n\n"
        await sleep(_POLL_S)


def _name(job: Job) -> str:
    if not job.is_over:
        return "progress"
    return "error" if job.state == "failed" else "done"
