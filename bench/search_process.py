"""`soundseek search` as a whole process: wall time and peak memory on a 1,000-clip library.

    python bench/search_process.py [--clips 1000] [--runs 20] [--model NAME_OR_PATH]

Without --model the embedded model is measured; `--model tiny` stands for the model of the tests,
whose text network costs nothing. Goals: less than 0.4 s and 150 MB.

This process imports nothing but the standard library, and the library is built in a child: on
Linux a child starts with its parent's peak memory, so that a large parent would be measured.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_TESTS = Path(__file__).resolve().parent.parent / "tests"

_BUILD = """
import sys
from pathlib import Path
import numpy as np, soundfile
folder, clips, model, tests = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] or None, sys.argv[4]
if model == "tiny":
    sys.path.insert(0, tests)
    from support.tiny_bundle import make_tiny_bundle
    model = make_tiny_bundle(folder / "tiny")
names = ["rain", "wind", "door", "dog", "engine", "bell", "steps", "wave"]
rng = np.random.default_rng(0)
for number in range(clips):
    path = folder / "sounds" / names[number % 8] / f"{names[number % 8]}_{number:04}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(16000) / 16000
    tone = np.sin(2 * np.pi * rng.uniform(60, 7000) * time) * rng.uniform(0, 0.5)
    soundfile.write(path, tone + rng.uniform(0, 0.3) * rng.standard_normal(time.size) * 0.3, 16000)
from soundseek.library import Library
with Library.open(folder / "library", bundle=model, create=True) as library:
    report = library.index([folder / "sounds"])
print(f"library: {report.added} clips of 1 s, indexed in {report.seconds:.1f} s")
"""


def main() -> None:
    """Build a library, run searches, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--model", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        built = [folder, str(options.clips), options.model, str(_TESTS)]
        subprocess.run([sys.executable, "-c", _BUILD, *built], check=True)
        search = [sys.executable, "-m", "soundseek", "search", "rain on a tin roof"]
        search += ["--library", str(Path(folder, "library"))]
        print(f"{options.runs} runs each, after one to warm the disk's cache")
        _report("python -c 'import numpy'", [sys.executable, "-c", "import numpy"], options.runs)
        _report("soundseek search", search, options.runs)
        _report("soundseek search --json", [*search, "--json"], options.runs)


def _report(name: str, command: list[str], runs: int) -> None:
    _run(command)
    results = [_run(command) for _ in range(runs)]
    walls, processors, peaks = zip(*results, strict=True)
    print(
        f"{name:26s} wall: median {statistics.median(walls):.3f} s, best {min(walls):.3f} s"
        f"   processor: median {statistics.median(processors):.3f} s   peak {max(peaks):.0f} MB"
    )


def _run(command: list[str]) -> tuple[float, float, float]:
    """Return wall time and processor time in seconds, and peak memory in MB, of one process."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    with child:  # closes the pipe
        message = child.stderr.read().decode() if child.stderr else ""
    if child.returncode:
        sys.exit(f"{' '.join(command)} ended with {child.returncode}: {message}")
    scale = 1 if sys.platform == "darwin" else 1024
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * scale / 1e6


if __name__ == "__main__":
    main()
