"""Index jobs: one at a time, each in a process of its own; known as long as the server runs."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from soundseek.library.plan import is_gone
from soundseek.serve.job_process import JobProcess
from soundseek.serve.problems import Problem

if TYPE_CHECKING:
    from soundseek.serve.state import ServerState

State = Literal["queued", "running", "done", "failed", "cancelled"]

_MOST_REMEMBERED: Final = 50
_MOST_FAILURES: Final = 100
_CLOSING_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class FailedFile:
    """A file that could not be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Job:
    """How a job stands.

    Attributes:
        id: random.
        version: grows with every change.
        state: `queued` until its process works.
        doing: what `done` and `total` count: files listened to, or sounds captioned.
        done: files read so far; unchanged ones are not among them.
        total: files to read.
        rate: files a second; None until it is known.
        eta_s: seconds that are left; None until it is known.
        current: the file that was done last.
        indexed: files that were new, changed or moved.
        unchanged: files that needed no reading; known at the end.
        captioned: sounds that got a caption; None unless captions were asked for.
        failed: the first files that could not be read.
        failed_count: how many there are.
        started_at: ISO 8601, UTC.
        ended_at: likewise; None until then.
        error: why it failed, and the remedy.
        note: what else is to be said.
    """

    id: str
    version: int
    state: State
    started_at: str
    doing: Literal["listening", "captioning"] = "listening"
    done: int = 0
    total: int = 0
    rate: float | None = None
    eta_s: float | None = None
    current: str | None = None
    indexed: int = 0
    unchanged: int = 0
    captioned: int | None = None
    failed: tuple[FailedFile, ...] = ()
    failed_count: int = 0
    ended_at: str | None = None
    error: str | None = None
    note: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ("done", "failed", "cancelled")


class _Running:
    """A job with its process; read from any thread, written by the one that follows it."""

    def __init__(self, order: dict[str, Any], lost: Sequence[str]) -> None:
        gone = tuple(FailedFile(root, "is not there") for root in lost)
        self.job = Job(
            secrets.token_urlsafe(9), 1, "queued", _now(), failed=gone, failed_count=len(gone)
        )
        self._lost = gone
        self._cancelled = False
        self._counted_from: tuple[str, float, int] | None = None
        self.process = JobProcess(order)
        self.thread = threading.Thread(target=self._follow, name="soundseek-job", daemon=True)
        self.thread.start()

    def cancel(self) -> None:
        self._cancelled = True
        self.process.ask_to_stop()

    def _change(self, **changes: Any) -> None:
        self.job = replace(self.job, version=self.job.version + 1, **changes)

    def _follow(self) -> None:
        for event in self.process.events():
            kind = event.get("event")
            if kind == "started":
                self._change(state="running")
            elif kind == "progress":
                self._progress(event)
            elif kind == "error":
                remedy = event["remedy"]
                error = event["message"] if remedy is None else f"{event['message']} ({remedy})"
                self._end("failed", error=error)
            elif kind in ("done", "cancelled"):
                self._end(kind, **self._reported(event.get("report")))
        code = self.process.wait()
        if not self.job.is_over:
            if self._cancelled:
                self._end("cancelled")
            else:
                self._end(
                    "failed",
                    error=f"the process that indexed ended with code {code}; what it had committed "
                    "is kept (start the job again)",
                )

    def _progress(self, event: dict[str, Any]) -> None:
        doing, done, total = event["doing"], event["done"], event["total"]
        now = time.monotonic()
        if self._counted_from is None or self._counted_from[0] != doing:
            self._counted_from = (doing, now, done)
        _, since, first = self._counted_from
        rate = (done - first) / (now - since) if now > since and done > first else None
        changes: dict[str, Any] = {
            "doing": doing,
            "done": done,
            "total": total,
            "rate": rate,
            "eta_s": None if rate is None else (total - done) / rate,
            "current": event["path"],
        }
        if doing == "listening":
            changes["indexed"] = done - event["failed"]
            changes["failed_count"] = event["failed"] + len(self._lost)
            if event["reason"] is not None and len(self.job.failed) < _MOST_FAILURES:
                one = FailedFile(event["path"], event["reason"])
                changes["failed"] = (*self.job.failed, one)
        self._change(**changes)

    def _reported(self, report: dict[str, Any] | None) -> dict[str, Any]:
        if report is None:
            return {}
        failed = [*self._lost, *(FailedFile(**one) for one in report["failed"])]
        return {
            "indexed": report["added"] + report["changed"] + report["moved"],
            "unchanged": report["unchanged"],
            "failed": tuple(failed[:_MOST_FAILURES]),
            "failed_count": len(failed),
            "captioned": report.get("captioned"),
            "note": report.get("note"),
        }

    def _end(self, state: State, **changes: Any) -> None:
        self._change(state=state, ended_at=_now(), eta_s=None, **changes)


class IndexJobs:
    """The jobs of a server. Every method may be called from any thread."""

    def __init__(self, state: ServerState) -> None:
        """Index into the library of `state`."""
        self._state = state
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, _Running] = OrderedDict()
        self._closed = False

    def start(self, roots: Sequence[int] | None, *, captions: bool) -> Job:
        """Index known roots, by their places in `ServerState.roots`; None for all that are there.

        Raises Problem 422 for a place that there is not, 409 if a job is running, or what was
        chosen is not there.
        """
        chosen, lost = self._chosen(roots)
        order = {
            "library": str(self._state.folder),
            "bundle": str(self._state.bundle.folder),
            "roots": chosen,
            "captions": captions,
        }
        with self._lock:
            if self._closed or any(not one.job.is_over for one in self._jobs.values()):
                raise Problem(
                    409, "a job is running already", remedy="wait for its end, or cancel it"
                )
            running = _Running(order, lost)
            self._jobs[running.job.id] = running
            while len(self._jobs) > _MOST_REMEMBERED:
                self._jobs.popitem(last=False)
        return running.job

    def _chosen(self, places: Sequence[int] | None) -> tuple[list[str], list[str]]:
        """Return the roots that are there and, of all of them, those that are not."""
        known = [str(root) for root in self._state.roots()]
        if places is None:
            there = [root for root in known if not is_gone(root)]
            if not there:
                raise Problem(
                    409,
                    "none of the library's folders is there",
                    remedy="connect their disk, or index a folder: soundseek index FOLDER",
                )
            return there, [root for root in known if root not in there]
        if not places or not all(0 <= place < len(known) for place in places):
            raise Problem(
                422,
                f"roots {list(places)} are not among the {len(known)} that are known",
                remedy="take their numbers from /api/v1/status",
            )
        chosen = [known[place] for place in dict.fromkeys(places)]
        if gone := [root for root in chosen if is_gone(root)]:
            raise Problem(
                409, f"there is no {Path(gone[0]).name} any more", remedy="connect its disk"
            )
        return chosen, []

    def all(self) -> list[Job]:
        """Return the jobs, the latest first."""
        with self._lock:
            return [one.job for one in reversed(self._jobs.values())]

    def get(self, job_id: str) -> Job:
        """Return how a job stands; Problem 404 if there is none of this id."""
        return self._running(job_id).job

    def cancel(self, job_id: str) -> Job:
        """Have a job stop after the file at hand; nothing committed is lost."""
        running = self._running(job_id)
        if not running.job.is_over:
            running.cancel()
        return running.job

    def running(self) -> int:
        """Return how many jobs are running or waiting."""
        return sum(not job.is_over for job in self.all())

    def close(self) -> None:
        """Stop them, and return when they have."""
        with self._lock:
            self._closed = True
            jobs = list(self._jobs.values())
        for one in jobs:
            if not one.job.is_over:
                one.cancel()
                one.process.stop(_CLOSING_S)
            one.thread.join(_CLOSING_S)

    def _running(self, job_id: str) -> _Running:
        with self._lock:
            running = self._jobs.get(job_id)
        if running is None:
            raise Problem(
                404, "there is no such job", remedy="jobs are forgotten when the server ends"
            )
        return running


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def attach(state: ServerState) -> None:
    """Give a server its jobs."""
    state.jobs = IndexJobs(state)
