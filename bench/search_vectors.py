"""Exact search in a warm process: the library's own code beside plain NumPy, in one run.

    python bench/search_vectors.py [--windows 100000] [--dimension 384] [--runs 100] [--rounds 3]

Builds a library of random vectors (three windows a clip) in a temporary folder. Each row is
measured in a process of its own: the time of one query whose text is encoded already, and by how
much the process grew (peak resident memory, mapped files included).

Read the load first. Where more threads want to run than there are processors, medians are multiples
of the scheduler's tick and say nothing of the code; the minimum is then the nearest to it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

WINDOWS_PER_CLIP = 3
HOP_S = 1.0
K = 10
WORDS = ("dog", "door", "rain", "wind", "engine", "bell", "steps", "wave")
VARIANTS = {
    "numpy": "NumPy float32: product and best 10 windows",
    "scores": "soundseek float16: product, score of each clip, best 10 clips",
    "query": "soundseek: whole query by sound (with filters and facts of the hits)",
    "hybrid": "soundseek: whole query by sound and names (two words, 1/4 of all names match)",
    "captions": "soundseek: as before, and by a caption a clip (its words and its meaning)",
}


def main() -> None:
    """Build, measure each variant in a child, print a table."""
    options = _options()
    if options.variant:
        folder = Path(options.folder)
        if options.variant == "build":
            _build(folder, options.windows, options.dimension)
        print(json.dumps({} if options.variant == "build" else _measured(folder, options)))
        return
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        # In a child, too: on Linux a child starts with its parent's peak memory.
        _in_child("build", folder, options)
        # In rounds, all of which count: what else the machine does then hits all rows alike.
        rounds = [
            {variant: _in_child(variant, folder, options) for variant in VARIANTS}
            for _ in range(options.rounds)
        ]
    print(
        f"{options.windows:,} windows x {options.dimension}, {options.rounds} rounds of"
        f" {options.runs} queries, {os.cpu_count()} processors,"
        f" load {' -> '.join(f'{load:.1f}' for load in (load_before, os.getloadavg()[0]))}"
    )
    reference = None
    for variant, name in VARIANTS.items():
        times = np.concatenate([row[variant]["times_ms"] for row in rounds])
        memory = max(row[variant]["memory_mb"] for row in rounds)
        figures = (times.min(), float(np.median(times)), float(np.percentile(times, 99)), memory)
        reference = reference or figures
        ratios = [value / of for value, of in zip(figures, reference, strict=True)]
        print(
            f"{name}\n    min {figures[0]:6.2f} ms ({ratios[0]:.2f} x)"
            f"   median {figures[1]:6.2f} ms ({ratios[1]:.2f} x)   p99 {figures[2]:6.2f} ms"
            f"   memory {memory:4.0f} MB ({ratios[3]:.2f} x)"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variant", choices=("build", *VARIANTS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def _unit(rng: np.random.Generator, rows: int, dimension: int) -> np.ndarray:
    vectors = rng.standard_normal((rows, dimension), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _build(folder: Path, windows: int, dimension: int) -> None:
    """Write a library, and the same vectors as a float32 file for NumPy."""
    from soundseek.library.captions import insert_caption
    from soundseek.library.database import Database

    rng = np.random.default_rng(0)
    database = Database.create(
        folder,
        {
            "created": "2026-01-01T00:00:00+00:00",
            "bundle_name": "random",
            "bundle_fingerprint": "0" * 64,
            "bundle_path": "/",
            "dimension": str(dimension),
            "sample_rate": "32000",
            "window_samples": "32000",
            "hop_samples": "32000",
            "roots": "[]",
        },
    )
    with (folder / "windows.f32").open("wb") as plain, database.transaction() as connection:
        revision = database.next_revision()
        for number in range(windows // WINDOWS_PER_CLIP):
            vectors = _unit(rng, WINDOWS_PER_CLIP, dimension)
            plain.write(vectors.tobytes())
            cursor = connection.execute(
                "INSERT INTO clips (content_hash, revision, format, sample_rate, channels,"
                " duration_s, n_windows, valid, vector, windows)"
                " VALUES (?, ?, 'wav', 44100, 2, ?, ?, ?, ?, ?)",
                (
                    number.to_bytes(32, "big"),
                    revision,
                    float(WINDOWS_PER_CLIP),
                    WINDOWS_PER_CLIP,
                    np.full(WINDOWS_PER_CLIP, 32000, "<u4").tobytes(),
                    vectors[0].astype("<f2").tobytes(),
                    vectors.astype("<f2").tobytes(),
                ),
            )
            word = WORDS[number % len(WORDS)]
            file = connection.execute(
                "INSERT INTO files (path, size, mtime_ns, clip_id, state, indexed_at)"
                " VALUES (?, 1, 1, ?, 'present', '')",
                (f"/sounds/{number % 100}/{word}_{number}.wav".encode(), cursor.lastrowid),
            )
            connection.execute(
                "INSERT INTO names (rowid, folder, name, tags) VALUES (?, ?, ?, '')",
                (file.lastrowid, f"sounds {number % 100}", f"{word} {number}"),
            )
            assert cursor.lastrowid is not None
            insert_caption(
                connection,
                cursor.lastrowid,
                revision,
                f"a {word} and a {WORDS[number // 8 % len(WORDS)]} are heard, take {number}",
                _unit(rng, 1, dimension)[0].astype("<f2").tobytes(),
                source="c" * 64,
                captioner="random",
                score=-1.0,
            )
    database.close()


def _in_child(variant: str, folder: str, options: argparse.Namespace) -> dict[str, Any]:
    sizes = [f"--{name}={getattr(options, name)}" for name in ("windows", "dimension", "runs")]
    command = [sys.executable, __file__, "--variant", variant, "--folder", folder, *sizes]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    row: dict[str, Any] = json.loads(output)
    return row


def _measured(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    queries = _unit(np.random.default_rng(1), options.runs, options.dimension)
    prepare = {
        "numpy": _numpy,
        "scores": _scores,
        "query": _query,
        "hybrid": _query,
        "captions": _query,
    }
    if options.variant != "numpy":
        # The first search of a library writes the cache, which is not what is measured here.
        subprocess.run(
            [sys.executable, "-c", _FILL_CACHE, str(folder), str(folder / "cache")], check=True
        )
        _import_all()
    before = _peak_mb()
    ask = prepare[options.variant](folder, options)
    ask(queries[0])
    times = []
    for query in queries:
        start = time.perf_counter()
        ask(query)
        times.append(time.perf_counter() - start)
    return {
        "times_ms": [seconds * 1e3 for seconds in times],
        "memory_mb": _peak_mb() - before,
    }


_FILL_CACHE = """
import sys
from pathlib import Path
from soundseek.library.database import Database
from soundseek.library.vectors import CAPTIONS, WINDOWS, LibraryVectors
for source in (WINDOWS, CAPTIONS):
    LibraryVectors(Database.open(Path(sys.argv[1])), Path(sys.argv[2]), source).table()
"""


def _import_all() -> None:
    import simsimd  # noqa: F401

    import soundseek.bundle.network
    import soundseek.library.search  # noqa: F401


def _peak_mb() -> float:
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6


def _numpy(folder: Path, options: argparse.Namespace) -> Callable[[np.ndarray], object]:
    matrix = np.fromfile(folder / "windows.f32", dtype=np.float32).reshape(-1, options.dimension)

    def ask(query: np.ndarray) -> object:
        scores = matrix @ query
        chosen = np.argpartition(scores, -K)[-K:]
        return chosen[np.argsort(-scores[chosen])]

    return ask


def _scores(folder: Path, _: argparse.Namespace) -> Callable[[np.ndarray], object]:
    from soundseek.bundle.network import usable_processors
    from soundseek.library.database import Database
    from soundseek.library.ranking import best
    from soundseek.library.vectors import LibraryVectors

    table = LibraryVectors(Database.open(folder), folder / "cache").table()

    def ask(query: np.ndarray) -> object:
        windows = table.scores(query, threads=usable_processors())
        return best(table.clip_scores(windows, HOP_S), K)

    return ask


def _query(folder: Path, options: argparse.Namespace) -> Callable[[np.ndarray], object]:
    from soundseek.library.database import Database
    from soundseek.library.search import Searcher

    model = SimpleNamespace(hop_s=HOP_S, window_s=HOP_S, sample_rate=32000, encode_text=None)
    searcher = Searcher(Database.open(folder), model, folder / "cache")  # type: ignore[arg-type]

    def ask(query: np.ndarray) -> object:
        model.encode_text = lambda texts: [query]
        by_name, by_caption = options.variant != "query", options.variant == "captions"
        weight = 0.2 if by_caption else 0.0
        return searcher.search(
            "dog and door", k=K, hybrid=by_name, captions_weight=weight, generated_captions=True
        )

    return ask


if __name__ == "__main__":
    main()
