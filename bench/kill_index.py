"""Kill an index run with SIGKILL at random moments, and look for anything lost or doubled.

    python bench/kill_index.py                        100 kills, the embedded model
    python bench/kill_index.py --kills 20 --bundle DIR

Each round starts `Library.index` in a process of its own, which says after every step how many
files another reader already sees as committed; kills it; and compares that with what is in the
library afterwards. Prints a line a round, then the figures. Ends with 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from soundseek.library import Library

CHILD = """
import sys
from soundseek.library import Library
library_folder, bundle, sounds = sys.argv[1:]
with Library.open(library_folder, bundle=bundle or None, create=True) as library:
    reader = Library.open(library_folder, read_only=True)
    print(0, flush=True)
    def tell(progress):
        print(reader.database.query("SELECT count(*) FROM files")[0][0], flush=True)
    library.index([sounds], on_progress=tell)
print("done", flush=True)
"""


@dataclass(frozen=True)
class Round:
    """What one kill left: `told` files were seen committed by another process before it,
    `kept` are in the library after it; `finished` if the run ended before the kill."""

    told: int
    kept: int
    finished: bool
    problems: tuple[str, ...]


def make_sounds(folder: Path, count: int) -> None:
    """Write `count` short sounds, all different."""
    folder.mkdir(parents=True)
    for number in range(count):
        samples = 0.1 * np.random.default_rng(number).standard_normal(800)
        soundfile.write(folder / f"{number:05}.wav", samples.astype(np.float32), 16_000)


def rounds(
    library: Path, bundle: str, sounds: Path, kills: int, longest_s: float, seed: int = 0
) -> Iterator[Round]:
    """Start and kill `kills` times, up to `longest_s` seconds after the library was opened."""
    chance = random.Random(seed)
    before = 0
    for _ in range(kills):
        command = [sys.executable, "-c", CHILD, str(library), bundle, str(sounds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            first = child.stdout.readline()
            time.sleep(chance.uniform(0.0, longest_s))
            child.send_signal(signal.SIGKILL)
            lines = (first + child.stdout.read()).splitlines(keepends=True)
        whole = [line.strip() for line in lines if line.endswith("\n")]
        told = max([before, *(int(line) for line in whole if line.isdecimal())])
        kept, problems = _looked_at(library)
        if kept < told:
            problems.append(f"{told - kept} committed files were lost")
        before = kept
        yield Round(told, kept, "done" in whole, tuple(problems))


def _looked_at(folder: Path) -> tuple[int, list[str]]:
    with Library.open(folder) as library:
        problems = list(library.verify().problems)
        counts = [
            library.database.query(f"SELECT count(*) FROM {what}")[0][0]
            for what in ("files", "clips", "names", "(SELECT DISTINCT clip_id FROM files)")
        ]
        if len(set(counts)) > 1:  # every sound is different: one clip and one name for each file
            problems.append(f"files, clips, names, distinct clips differ: {counts}")
    return counts[0], problems


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Kill index runs and look for damage.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--longest", type=float, default=0.6, help="seconds until the kill")
    parser.add_argument("--bundle", default="", help="a model (default: the embedded one)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    made: list[Round] = []
    with tempfile.TemporaryDirectory() as folder:
        sounds = Path(folder) / "sounds"
        make_sounds(sounds, options.files)
        generation = 0
        while len(made) < options.kills:
            generation += 1
            for one in rounds(
                Path(folder) / f"library{generation}",
                options.bundle,
                sounds,
                options.kills - len(made),
                options.longest,
                options.seed + generation,
            ):
                if one.finished or one.kept == options.files:
                    break  # nothing left to interrupt: begin with a new library
                made.append(one)
                print(f"kill {len(made)}: {one.told} told, {one.kept} kept", *one.problems)
        with Library.open(Path(folder) / "library1") as library:
            resumed = library.index([sounds])
            complete = library.status().clips == options.files and library.verify(deep=True).ok
    wrong = [problem for one in made for problem in one.problems]
    figures = {
        "kills": len(made),
        "kills_between_commits": sum(0 < one.kept < options.files for one in made),
        "problems": len(wrong),
        "resumes": complete,
        "resumed_added": resumed.added,
        "resumed_unchanged": resumed.unchanged,
    }
    print(json.dumps(figures))
    return 0 if not wrong and complete else 1


if __name__ == "__main__":
    sys.exit(main())
