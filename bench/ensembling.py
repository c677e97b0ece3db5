"""Joining 42 systems' scores in blocks, beside all of them in memory at once.

    python bench/ensembling.py [--members 42] [--queries 5225] [--clips 1045]

Each way runs in a process of its own, whose peak memory the system tells; reading the files is part
of the time. The matrices are random and lie in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from soundseek.lab.ensembling.alignment import gathered
from soundseek.lab.ensembling.join import joined
from soundseek.lab.similarities import ListedSound, Similarities, open_similarities

SCALES = ("none", "zscore", "query_zscore", "rank")


def make(folder: Path, members: int, queries: int, clips: int) -> None:
    """Random similarities; every member has noise of its own over what all share."""
    rng = np.random.default_rng(0)
    names = [ListedSound(f"c{i}", f"c{i}.wav", 0.0, 20.0) for i in range(clips)]
    texts = [f"q{i}" for i in range(queries)]
    relevant = np.arange(queries)[:, None] * clips // queries == np.arange(clips)
    shared = rng.standard_normal((queries, clips), np.float32) + relevant
    for member in range(members):
        scores = shared + 2 * rng.standard_normal((queries, clips), np.float32)
        Similarities(texts, names, scores, relevant).save(folder / f"{member:02}")


def in_blocks(folder: Path, scale: str) -> float:
    """The toolkit's way; returns mAP@10."""
    places = sorted(folder.glob("[0-9]*"))
    members = gathered((path.name, open_similarities(path)) for path in places)
    joined(members, scale=scale).save(folder / "joined")  # type: ignore[arg-type]
    return open_similarities(folder / "joined").metrics()["mAP@10"].value


def in_memory(folder: Path, scale: str) -> float:
    """Everything read, scaled and averaged at once, as one would write it first."""
    from scipy.stats import rankdata

    places = sorted(folder.glob("[0-9]*"))
    all_scores = np.stack([np.load(path / "scores.npy") for path in places])
    if scale == "zscore":
        mean, spread = (f(axis=(1, 2), keepdims=True) for f in (all_scores.mean, all_scores.std))
        all_scores = (all_scores - mean) / spread
    elif scale == "query_zscore":
        mean, spread = (f(axis=2, keepdims=True) for f in (all_scores.mean, all_scores.std))
        all_scores = (all_scores - mean) / spread
    elif scale == "rank":
        all_scores = rankdata(all_scores, axis=2)
    mean = all_scores.mean(axis=0).astype(np.float32)
    first = open_similarities(places[0])
    whole = Similarities(first.queries, first.clips, mean, first.relevant)
    whole.save(folder / "joined")
    return whole.metrics()["mAP@10"].value


WAYS = {"in blocks": in_blocks, "in memory": in_memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=42)
    parser.add_argument("--queries", type=int, default=5225)
    parser.add_argument("--clips", type=int, default=1045)
    parser.add_argument("--one", nargs=3, metavar=("WAY", "SCALE", "FOLDER"), help="for itself")
    options = parser.parse_args()
    if options.one:
        way, scale, folder = options.one
        started = time.perf_counter()
        figure = WAYS[way](Path(folder), scale)
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{way:<10} {scale:<13} {seconds:7.1f} s {peak:8.0f} MB   mAP@10 {figure:.4f}")
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), options.members, options.queries, options.clips)
        print(f"{options.members} matrices of {options.queries} × {options.clips}", flush=True)
        for scale in SCALES:
            for way in WAYS:
                command = [sys.executable, __file__, "--one", way, scale, folder]
                subprocess.run(command, check=False)


if __name__ == "__main__":
    main()
