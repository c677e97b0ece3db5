"""Index jobs over HTTP: started, watched, cancelled; whatever dies, nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient
from httpx2 import Response

from soundseek.library import Library
from soundseek.library.lock import writer_lock
from support.command_line import write_sound
from support.tiny_bundle import noise, sine

JOBS = "/api/v1/jobs"
ON_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")


class Own:
    """A library that a test may change."""

    def __init__(self, folder: Path, bundle: Path, served: Callable[..., TestClient]) -> None:
        self.folder, self.bundle, self._served = folder, bundle, served
        self.sounds, self.library = folder / "sounds", folder / "library"
        write_sound(self.sounds / "first.wav", sine(440, 1.0))
        with Library.open(self.library, bundle=bundle, create=True) as library:
            library.index([self.sounds], threads=1)

    def serve(self, **settings: Any) -> TestClient:
        return self._served(folder=self.library, **settings)

    def write_many(self, n: int, seconds: float = 0.5) -> None:
        for number in range(n):
            write_sound(self.sounds / f"{number:04}.wav", noise(seconds, seed=number))

    def paths(self) -> list[str]:
        with Library.open(self.library, read_only=True) as library:
            rows = library.database.query("SELECT path FROM files WHERE state = 'present'")
        return sorted(Path(os.fsdecode(path)).name for (path,) in rows)


@pytest.fixture
def own(tmp_path: Path, tiny_bundle: Path, served: Callable[..., TestClient]) -> Own:
    """A library of the test's own with one sound."""
    return Own(tmp_path, tiny_bundle, served)


SLOW_HASHING = """
import time

from soundseek.library import hashing

_real = hashing.content_hash


def content_hash(path):
    time.sleep(0.03)
    return _real(path)


hashing.content_hash = content_hash
"""


@pytest.fixture
def unhurried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs take their time with every file: else they are done before they can be cancelled."""
    folder = tmp_path / "at-start"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SLOW_HASHING, encoding="utf-8")
    known = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *([known] if known else [])]))


def started(client: TestClient, **wanted: Any) -> dict[str, Any]:
    answer = client.post(JOBS, json={"kind": "index", **wanted})
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


def until(client: TestClient, job: dict[str, Any], *states: str, limit_s: float = 60) -> Any:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        job = client.get(f"{JOBS}/{job['id']}").json()
        if job["state"] in (states or ("done", "failed", "cancelled")):
            return job
        time.sleep(0.02)
    raise AssertionError(job)


def problem(response: Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    return document


def test_from_start_to_end(own: Own) -> None:
    client = own.serve()
    own.write_many(5)
    (own.sounds / "bad.wav").write_bytes(b"no sound" * 10)
    job = started(client, roots=[0])
    assert job["state"] in ("queued", "running")
    over = until(client, job)
    assert over["state"] == "done", over
    assert (over["indexed"], over["unchanged"], over["failed_count"]) == (5, 1, 1)
    (failed,) = over["failed"]
    assert failed["path"] == str(own.sounds / "bad.wav")
    assert "cannot be decoded" in failed["reason"]
    assert (over["done"], over["total"]) == (6, 6)
    assert over["ended_at"] >= over["started_at"]
    assert over["error"] is over["captioned"] is None
    assert client.get(JOBS).json()["jobs"] == [over]
    jobs = client.app.state.server.jobs  # type: ignore[attr-defined]
    assert jobs._running(job["id"]).process.wait() == 0
    assert client.get("/api/v1/status").json()["library"]["files"] == 6
    again = until(client, started(client))
    assert (again["indexed"], again["unchanged"]) == (0, 7)
    assert [one["id"] for one in client.get(JOBS).json()["jobs"]] == [again["id"], over["id"]]


def test_what_was_indexed_is_found(own: Own) -> None:
    client = own.serve()
    write_sound(own.sounds / "new.wav", sine(4000, 3.0))
    until(client, started(client))
    hits = client.get("/api/v1/search", params={"q": "a high tone", "names": False}).json()["hits"]
    assert hits[0]["name"] == "new.wav"


def events_of(client: TestClient, job: dict[str, Any], **headers: str) -> list[dict[str, str]]:
    with client.stream("GET", f"{JOBS}/{job['id']}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = "".join(answer.iter_text())
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


def test_events(own: Own) -> None:
    client = own.serve()
    own.write_many(40)
    job = started(client)
    retry, *events = events_of(client, job)
    assert int(retry["retry"]) > 0
    assert [one["event"] for one in events][-1] == "done"
    assert all(one["event"] == "progress" for one in events[:-1])
    numbers = [int(one["id"]) for one in events]
    assert numbers == sorted(set(numbers))
    done = [json.loads(one["data"])["done"] for one in events]
    assert done == sorted(done)
    last = json.loads(events[-1]["data"])
    assert last == client.get(f"{JOBS}/{job['id']}").json()
    missed = events_of(client, job, **{"last-event-id": str(numbers[0])})
    assert [one["event"] for one in missed[1:]] == ["done"]
    address = f"{JOBS}/{job['id']}/events"
    assert client.get(address, headers={"last-event-id": events[-1]["id"]}).status_code == 204


@pytest.fixture(params=[signal.default_int_handler, signal.SIG_IGN], ids=["heard", "ignored"])
def ctrl_c(request: pytest.FixtureRequest) -> Iterator[None]:
    """Ctrl-C as a server in the foreground has it, and as one in the background."""
    before = signal.signal(signal.SIGINT, request.param)
    yield
    signal.signal(signal.SIGINT, before)


def test_one_at_a_time_and_cancel(own: Own, unhurried: None, ctrl_c: None) -> None:
    client = own.serve()
    own.write_many(150)
    job = started(client)
    running = until(client, job, "running")
    told = problem(client.post(JOBS, json={"kind": "index"}), 409)
    assert told["remedy"]
    assert client.get("/api/v1/status").json()["jobs_running"] == 1
    while running["done"] < 3:
        running = client.get(f"{JOBS}/{job['id']}").json()
    assert client.delete(f"{JOBS}/{job['id']}").status_code == 200
    over = until(client, job)
    assert over["state"] == "cancelled"
    assert client.delete(f"{JOBS}/{job['id']}").json() == over
    kept = own.paths()
    assert 3 <= len(kept) < 151
    rest = until(client, started(client))
    assert rest["state"] == "done"
    assert rest["indexed"] == 151 - len(kept)
    assert own.paths() == sorted(path.name for path in own.sounds.iterdir())


def test_only_known_roots(own: Own, tmp_path: Path) -> None:
    extra = tmp_path / "extra"
    write_sound(extra / "other.wav", sine(880, 1.0))
    client = own.serve(roots=(extra,))
    roots = client.get("/api/v1/status").json()["roots"]
    assert [one["path"] for one in roots] == [str(own.sounds), str(extra)]
    for bad in ([2], [-1], [0, 7], [], "x", [None], ["/etc"], [0.5]):
        problem(client.post(JOBS, json={"kind": "index", "roots": bad}), 422)
    for bad in ({"kind": "index", "roots": None, "path": "/etc"}, {"kind": "rm"}, {}, []):
        answer = client.post(JOBS, json=bad)
        assert answer.status_code in (202, 422)
        if answer.status_code == 202:  # what is unknown is ignored, and never a path
            until(client, answer.json())
    over = until(client, started(client, roots=[1, 1]))
    assert (over["state"], over["indexed"]) in {("done", 1), ("done", 0)}
    assert own.paths() == ["first.wav", "other.wav"]


def test_roots_that_are_not_there(own: Own, tmp_path: Path) -> None:
    extra = tmp_path / "unplugged"
    client = own.serve(roots=(extra,))
    problem(client.post(JOBS, json={"kind": "index", "roots": [1]}), 409)
    over = until(client, started(client))
    assert over["state"] == "done"
    assert over["failed"] == [{"path": str(extra), "reason": "is not there"}]


def test_a_locked_library(own: Own) -> None:
    client = own.serve()
    own.write_many(1)
    with writer_lock(own.library):
        over = until(client, started(client))
    assert over["state"] == "failed"
    assert "being written by another process" in over["error"]
    (_, event) = events_of(client, over)
    assert event["event"] == "error"


def test_captions_where_a_captioner_fits(
    own: Own, tiny_captioner: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = own.serve()
    over = until(client, started(client, captions=True))
    assert over["state"] == "done"
    assert (over["captioned"], "no captions were written" in over["note"]) == (None, True)
    monkeypatch.setenv("SOUNDSEEK_MODELS", str(tiny_captioner.parent))
    over = until(client, started(client, captions=True))
    assert (over["state"], over["captioned"], over["note"]) == ("done", 1, None)


def test_unknown_jobs(client: TestClient) -> None:
    for address in (f"{JOBS}/x", f"{JOBS}/x/events", f"{JOBS}/..%2f..%2fx"):
        assert client.get(address).status_code == 404
    problem(client.delete(f"{JOBS}/x"), 404)


@ON_POSIX
def test_a_job_that_is_killed(own: Own, unhurried: None) -> None:
    client = own.serve()
    own.write_many(150)
    job = started(client)
    until(client, job, "running")
    state = client.app.state.server  # type: ignore[attr-defined]
    os.kill(state.jobs._running(job["id"]).process.pid, signal.SIGKILL)
    over = until(client, job)
    assert over["state"] == "failed"
    assert "-9" in over["error"]
    assert until(client, started(client))["state"] == "done"
    assert own.paths() == sorted(path.name for path in own.sounds.iterdir())


def test_the_end_of_the_server_ends_the_job(own: Own, unhurried: None) -> None:
    own.write_many(150)
    client = own.serve()
    job = started(client)
    until(client, job, "running")
    jobs = client.app.state.server.jobs  # type: ignore[attr-defined]
    process = jobs._running(job["id"]).process
    jobs.close()
    assert process.wait() is not None
    assert jobs.get(job["id"]).state == "cancelled"
    problem(client.post(JOBS, json={"kind": "index"}), 409)
    with Library.open(own.library) as library:
        assert library.verify(deep=True).ok


@ON_POSIX
def test_names_that_are_no_text(own: Own) -> None:
    raw = os.fsencode(own.sounds) + b"/\xff.wav"
    try:
        with open(raw, "wb") as file:  # noqa: PTH123
            file.write(np.zeros(100, np.int16).tobytes())
    except OSError:
        pytest.skip("such names are refused here")
    client = own.serve()
    over = until(client, started(client))
    assert over["state"] == "done"
    assert over["failed"][0]["path"].endswith("\\udcff.wav")
