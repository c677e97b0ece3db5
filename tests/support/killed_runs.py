"""A training that is killed again and again; `python -m support.killed_runs RECIPE FOLDER SEED`.

Everything is imported once and each training is a fork of this process: a start from nothing takes
longer than the whole training.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import torch

import soundseek.lab.retrieval.report
import soundseek.lab.retrieval.train  # noqa: F401
from soundseek.cli.main import face

KILLS = 10
_LIMIT_S = 200.0


def begun(recipe: str, folder: Path) -> int:
    """The process id of a fork that trains as the command line does."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        log = os.open(folder.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        try:
            face.main(["train", recipe, "--out", str(folder)], prog_name="soundseek")
        except SystemExit as ending:
            os._exit(int(ending.code or 0))
        os._exit(70)
    return pid


def killed(pid: int, mark: Path, size: int, after_s: float) -> bool:
    """Kill a process `after_s` seconds after `mark` has grown beyond `size`; False where it ended
    before."""
    moment = None
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            if status != 0:
                raise SystemExit(f"the training ended with {status}")
            return False
        grown = mark.is_file() and mark.stat().st_size > size
        if moment is None and grown:
            moment = time.monotonic() + after_s
        if moment is not None and time.monotonic() >= moment:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return True
        time.sleep(0.002)


def main(recipe: str, folder: Path, seed: int) -> None:
    """On stdout, how often it was killed, and at how many different rows of the table."""
    torch.set_num_threads(1)
    rng = random.Random(seed)
    table, started = folder / "metrics.csv", time.monotonic()
    log = folder.with_suffix(".log")
    places: Counter[int] = Counter()
    while places.total() < KILLS and time.monotonic() < started + _LIMIT_S:
        # One in four in the beginning, where there is no step yet.
        mark = log if rng.random() < 0.25 else table
        size = mark.stat().st_size if mark.is_file() else 0
        if not killed(begun(recipe, folder), mark, size, rng.random() * 0.25):
            break
        places[table.stat().st_size if table.is_file() else 0] += 1
    _, status = os.waitpid(begun(recipe, folder), 0)
    print(places.total(), len(places))
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
