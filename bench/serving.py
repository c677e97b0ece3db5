"""`soundseek serve`: how soon it answers, and 200 clients searching while an index job runs.

    python bench/serving.py [--clips 100000] [--clients 200] [--seconds 20] [--pause 1.0]

The library has `--clips` clips of one window with random vectors; `--new` short sounds are indexed
into it by another process meanwhile. Every client searches, waits for the answer, and then for
`--pause` seconds on average before the next search (0: not at all). A text has two words that are
each in the names of 1 % of the files; every fourth search asks for a later page, every fourth has a
filter.

Prints the time from the command to the first answer, then errors, searches a second, latencies and
the server's peak memory. Ends with 1 if any answer was an error or the job failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from soundseek.library import Library
from support.vector_library import Clip, add_clips

WORDS = ("rain", "wind", "door", "dog", "engine", "bell", "steps", "wave", "glass", "birds")
TEXTS = [f"{one} and {other} in the distance" for one in WORDS for other in WORDS]
_BATCH = 2000


def build(folder: Path, clips: int) -> None:
    """Make a library of random vectors, with the embedded model's dimension."""
    rng = np.random.default_rng(0)
    with Library.open(folder, create=True) as library:
        dimension = library.bundle.dimension
        for start in range(0, clips, _BATCH):
            add_clips(
                library.database,
                [
                    Clip(
                        rng.standard_normal((1, dimension)),
                        [f"/sounds/{i % 97}/{i // 1000}/{_name(i)}_{i:06}.wav"],
                        duration_s=float(rng.uniform(0.2, 60)),
                        format=("wav", "flac", "mp3")[i % 3],
                    )
                    for i in range(start, min(start + _BATCH, clips))
                ],
            )


def _name(number: int) -> str:
    return WORDS[number % 100] if number % 100 < len(WORDS) else "take"


def make_sounds(folder: Path, count: int) -> None:
    """Write short sounds, all different."""
    folder.mkdir(parents=True)
    for number in range(count):
        samples = 0.1 * np.random.default_rng(number).standard_normal(16_000)
        soundfile.write(folder / f"{number:05}.wav", samples.astype(np.float32), 16_000)


class Client:
    """A connection that is kept open, and what it saw."""

    def __init__(self, port: int, number: int) -> None:
        self._port = port
        self._chance = random.Random(number)
        self.seconds: list[float] = []
        self.errors: list[str] = []

    async def run(self, until: float, pause_s: float) -> None:
        """Search until the clock says `until`."""
        await asyncio.sleep(self._chance.uniform(0, pause_s))
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while time.perf_counter() < until:
            start = time.perf_counter()
            try:
                status, body = await _asked(reader, writer, self._port, self._path())
                if status != 200 or not json.loads(body)["hits"]:
                    self.errors.append(f"{status}: {body[:200]!r}")
            except (OSError, ValueError, KeyError, asyncio.IncompleteReadError) as error:
                self.errors.append(repr(error))
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            self.seconds.append(time.perf_counter() - start)
            if pause_s:
                await asyncio.sleep(self._chance.uniform(0, 2 * pause_s))
        writer.close()

    def _path(self) -> str:
        params: dict[str, object] = {"q": self._chance.choice(TEXTS), "limit": 50}
        kind = self._chance.randrange(4)
        if kind == 0:
            params["offset"] = 50
        elif kind == 1:
            params["format"] = "wav"
        return f"/api/v1/search?{urlencode(params)}"


async def _asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, path: str
) -> tuple[int, bytes]:
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
    if length is None:
        raise ValueError("an answer without a length")
    return int(head.split(" ", 2)[1]), await reader.readexactly(int(length[1]))


async def load(port: int, clients: int, seconds: float, pause_s: float) -> list[Client]:
    """Let so many clients search at once."""
    until = time.perf_counter() + seconds
    made = [Client(port, number) for number in range(clients)]
    await asyncio.gather(*(client.run(until, pause_s) for client in made))
    return made


def started(library: Path) -> tuple[subprocess.Popen[str], int, float]:
    """Start a server; returns it, its port, and the seconds until its first search was answered."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "soundseek", "serve", "--port", "0", "--rate", "0"]
    server = subprocess.Popen(
        [*command, "--library", str(library)], stderr=subprocess.PIPE, text=True
    )
    assert server.stderr is not None
    found = re.search(r"http://[^:]+:(\d+)", server.stderr.readline())
    if found is None:
        sys.exit(server.stderr.read())
    port = int(found[1])

    async def ask(path: str) -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        status, _ = await _asked(reader, writer, port, path)
        assert status == 200
        writer.close()
        return time.perf_counter() - start

    healthy = asyncio.run(ask("/healthz"))
    searched = asyncio.run(ask(f"/api/v1/search?q={quote('rain on a tin roof')}"))
    print(
        f"from the command to the first answer {healthy:.2f} s, to the first hits {searched:.2f} s"
    )
    return server, port, searched


def peak_mb(pid: int) -> float:
    """Return the peak memory of a process in MB (Linux); 0 where it is not told."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def processor_s(pid: int) -> float:
    """Return the processor time of a process so far (Linux); 0 where it is not told."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of all are not above, in milliseconds."""
    return 1000 * float(np.quantile(np.array(values), share))


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--pause", type=float, default=1.0)
    parser.add_argument("--new", type=int, default=3000, help="sounds to index meanwhile")
    parser.add_argument("--starts", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        library = folder / "library"
        build(library, options.clips)
        make_sounds(folder / "new", options.new)
        for start in range(options.starts):
            server, port, _ = started(library)
            if start < options.starts - 1:
                server.send_signal(signal.SIGINT)
                server.wait(30)
        print(f"{options.clips:,} clips, {peak_mb(server.pid):.0f} MB after the first search")
        index = [sys.executable, "-m", "soundseek", "index", str(folder / "new"), "--json"]
        job = subprocess.Popen(
            [*index, "--library", str(library), "--threads", "1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        busy = processor_s(server.pid)
        clients = asyncio.run(load(port, options.clients, options.seconds, options.pause))
        busy = processor_s(server.pid) - busy
        was_running = job.poll() is None
        output, _ = job.communicate()
        memory = peak_mb(server.pid)
        server.send_signal(signal.SIGINT)
        code = server.wait(30)
    seconds = [one for client in clients for one in client.seconds]
    errors = [one for client in clients for one in client.errors]
    added = json.loads(output)["added"] if job.returncode == 0 else 0
    still = "to the end" if was_running else "for a part of it"
    print(f"load average {os.getloadavg()[0]:.1f}; an index job ran {still} and added {added:,}")
    print(
        f"{options.clients} clients, pause {options.pause:g} s: {len(seconds):,} searches, "
        f"{len(errors)} errors, {len(seconds) / options.seconds:.0f} a second, "
        f"p50 {percentile(seconds, 0.5):.0f} ms, p95 {percentile(seconds, 0.95):.0f} ms, "
        f"longest {percentile(seconds, 1):.0f} ms, peak {memory:.0f} MB, ended with {code}; "
        f"{1000 * busy / len(seconds):.0f} ms of processor a search"
    )
    for error in errors[:5]:
        print(error)
    return 0 if not errors and added == options.new and code == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
