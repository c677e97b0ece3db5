"""kill -9 of the server while it indexes: the child ends by itself, and nothing is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("uvicorn")

from soundseek.library import Library
from support.command_line import write_sound
from support.tiny_bundle import noise

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")

FILES = 250
SERVER = """
import sys
from pathlib import Path
import uvicorn
from soundseek.serve.app import create_app
from soundseek.serve.settings import Settings
app = create_app(Path(sys.argv[1]), Settings(port=int(sys.argv[2]), requests_per_minute=0))
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
"""


class Server:
    """A server as a process of its own."""

    def __init__(self, library: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(library), str(self.port)], stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.ask("/healthz")
                return
            except URLError:
                assert time.monotonic() < deadline
                assert self.process.poll() is None
                time.sleep(0.05)

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        request = Request(f"http://127.0.0.1:{self.port}{path}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        with urlopen(request, timeout=30) as answer:
            document: dict[str, Any] = json.load(answer)
        return document

    def start_job(self) -> dict[str, Any]:
        return self.ask("/api/v1/jobs", {"kind": "index"})

    def job(self, job: dict[str, Any]) -> dict[str, Any]:
        return self.ask(f"/api/v1/jobs/{job['id']}")

    def children(self) -> list[int]:
        text = subprocess.run(
            ["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        ).stdout
        rows = [line.split(None, 2) for line in text.splitlines()]
        own = str(self.process.pid)
        return [int(row[0]) for row in rows if row[1] == own and "index_job" in row[2]]

    def end(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait(30)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True
    return state != "Z"


def paths(folder: Path) -> list[bytes]:
    with Library.open(folder, read_only=True) as library:
        return [row[0] for row in library.database.query("SELECT path FROM files ORDER BY path")]


@pytest.mark.slow
def test_kills(tmp_path: Path, tiny_bundle: Path) -> None:
    sounds, folder = tmp_path / "sounds", tmp_path / "library"
    write_sound(sounds / "first.wav", noise(1.0))
    with Library.open(folder, bundle=tiny_bundle, create=True) as library:
        library.index([sounds], threads=1)
    for number in range(FILES):
        write_sound(sounds / f"{number:04}.wav", noise(3.0, seed=number + 1))
    rng = random.Random(0)
    kept = [len(paths(folder))]
    for _ in range(3):
        server = Server(folder)
        job = server.start_job()
        while server.job(job)["done"] < 2 and server.job(job)["state"] in ("queued", "running"):
            time.sleep(0.01)
        time.sleep(rng.random() * 0.3)
        children = server.children()
        server.end(signal.SIGKILL)
        deadline = time.monotonic() + 20
        while any(map(is_running, children)):
            assert time.monotonic() < deadline, "the child outlives the server"
            time.sleep(0.02)
        kept.append(len(paths(folder)))
        with Library.open(folder, read_only=True) as library:
            assert library.verify().ok
    assert kept == sorted(kept)
    assert kept[-1] > 1
    server = Server(folder)
    job = server.start_job()
    while (now := server.job(job))["state"] in ("queued", "running"):
        time.sleep(0.1)
    assert now["state"] == "done", now
    assert now["indexed"] == FILES + 1 - kept[-1]
    server.end(signal.SIGTERM)
    found = [Path(os.fsdecode(path)).name for path in paths(folder)]
    assert found == sorted(path.name for path in sounds.iterdir())
    with Library.open(folder) as library:
        assert library.status().clips == FILES + 1
        assert library.verify(deep=True).ok
