"""Wall time of several engines by turns, and what each needs in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from engine_parts.running import Feeds, Kind, Runs

_ALONE = """
import json, sys, time
sys.path[:0] = json.loads(sys.argv[1])
from pathlib import Path
import numpy as np
from engine_parts.running import Kind
name, path, engine, precision = json.loads(sys.argv[2])
which, dimension, feeds = sys.argv[3], int(sys.argv[4]), dict(np.load(sys.argv[5]))
kind = Kind(name, Path(path), engine, precision)
import onnxruntime
if engine == "openvino":
    import openvino
started = time.process_time()
network = kind.opened(which, dimension, 1)
opening = time.process_time() - started
for _ in range(2):
    network.run(feeds)
lines = Path("/proc/self/status").read_text().splitlines()
peak = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
print(int(peak) * 1024 / 1e6, opening * 1e3)
"""


class Took(NamedTuple):
    """Seconds of one run: wall time, and that of the processors, which other processes disturb
    less."""

    best: float
    median: float
    processor: float


def took(runs: Sequence[tuple[float, float]]) -> Took:
    """Best and median wall time and median processor time of runs (wall, processor)."""
    walls, processors = zip(*runs, strict=True)
    return Took(min(walls), median(walls), median(processors))


def by_turns(networks: Mapping[str, Runs], feeds: Feeds, rounds: int) -> dict[str, Took]:
    """Each network once a round, so that other processes' load meets all alike."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in networks}
    for network in networks.values():
        network.run(feeds)
    for _ in range(rounds):
        for name, network in networks.items():
            wall, processor = time.perf_counter(), time.process_time()
            network.run(feeds)
            taken[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return {name: took(runs) for name, runs in taken.items()}


class Alone(NamedTuple):
    """Peak memory in MB of a process that opens and runs one network; milliseconds of processor
    to open it."""

    peak: float
    opening: float

    def cells(self) -> tuple[str, str]:
        return f"{self.peak:.0f}", f"{self.opening:.0f}"


def opened_alone(
    kinds: Sequence[Kind], which: str, dimension: int, feeds: Path
) -> dict[str, Alone]:
    """Each network in a process of its own with `feeds` (npz), the median of three; Linux only."""
    found = {}
    for kind in kinds:
        described = [kind.name, str(kind.path), kind.engine, kind.precision]
        command = [sys.executable, "-c", _ALONE, json.dumps(sys.path), json.dumps(described)]
        answers = [
            subprocess.run(
                [*command, which, str(dimension), str(feeds)],
                check=True,
                capture_output=True,
                text=True,
            ).stdout.split()
            for _ in range(3)
        ]
        peaks, openings = zip(*((float(a), float(b)) for a, b in answers), strict=True)
        found[kind.name] = Alone(median(peaks), median(openings))
    return found
