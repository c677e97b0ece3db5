"""Wall time of several engines by turns, and peak memory of each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from engine_parts.running import Feeds, Kind, Runs

_PEAK = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from pathlib import Path
import numpy as np
from engine_parts.running import Kind
name, path, engine, precision = json.loads(sys.argv[2])
which, dimension, feeds = sys.argv[3], int(sys.argv[4]), dict(np.load(sys.argv[5]))
network = Kind(name, Path(path), engine, precision).opened(which, dimension, 1)
for _ in range(2):
    network.run(feeds)
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


class Took(NamedTuple):
    """Seconds of one run."""

    best: float
    median: float


def by_turns(networks: Mapping[str, Runs], feeds: Feeds, rounds: int) -> dict[str, Took]:
    """Each network once a round, so that other processes' load meets all alike."""
    taken: dict[str, list[float]] = {name: [] for name in networks}
    for network in networks.values():
        network.run(feeds)
    for _ in range(rounds):
        for name, network in networks.items():
            started = time.perf_counter()
            network.run(feeds)
            taken[name].append(time.perf_counter() - started)
    return {
        name: Took(min(values), sorted(values)[len(values) // 2]) for name, values in taken.items()
    }


def peak_megabytes(
    kinds: Sequence[Kind], which: str, dimension: int, feeds: Path
) -> dict[str, float]:
    """Peak memory of a process that opens the network and runs the feeds (npz), Linux only."""
    found = {}
    for kind in kinds:
        described = [kind.name, str(kind.path), kind.engine, kind.precision]
        command = [sys.executable, "-c", _PEAK, json.dumps(sys.path), json.dumps(described)]
        answer = subprocess.run(
            [*command, which, str(dimension), str(feeds)],
            check=True,
            capture_output=True,
            text=True,
        )
        found[kind.name] = int(answer.stdout) * 1024 / 1e6
    return found
