"""Cases in processes of their own, in alternating rounds; and what a process takes of memory."""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Case = dict[str, Any]
Found = dict[str, Any]

_SCRIPT = Path(__file__).parent.parent / "training.py"


def in_child(work: str, case: Case, options: argparse.Namespace) -> Found:
    """What `work` of bench/training.py finds of a case; ends with its last lines where it fails."""
    given = {"case": case, "options": {**vars(options), "data": str(options.data or "")}}
    words = [sys.executable, str(_SCRIPT), "--child", work, json.dumps(given, default=str)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{work} {case} failed:\n{done.stderr[-2000:]}")
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def rounds(work: str, cases: Sequence[Case], options: argparse.Namespace) -> list[list[Found]]:
    """Every case once a round, so that what else the machine does meets all of them; what was found
    of each case, round by round."""
    found: list[list[Found]] = [[] for _ in cases]
    for _ in range(options.rounds):
        for case, runs in zip(cases, found, strict=True):
            runs.append(in_child(work, case, options))
    return found


def median(runs: Iterable[Mapping[str, Any]], key: str) -> float:
    """Of one figure over the rounds."""
    return float(statistics.median(run[key] for run in runs))


def most(runs: Iterable[Mapping[str, Any]], key: str) -> float:
    """The largest of one figure over the rounds."""
    return float(max(run[key] for run in runs))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print("| " + " | ".join(columns) + " |\n| " + " | ".join("---" for _ in columns) + " |")
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    print(flush=True)


def peak_mb() -> float:
    """The most memory that this process had; on Linux a child's begins with its parent's."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def shared_out_mb(pids: Sequence[int | str]) -> float:
    """What these processes hold now, pages that several of them hold counted once between them.

    Not a number where the system does not tell.
    """
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:
            return float("nan")
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def silence(_: str) -> None:
    """Takes what a training would say."""


Work = Callable[[Case, argparse.Namespace], Found]
