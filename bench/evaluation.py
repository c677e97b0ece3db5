"""Evaluating files of predictions: soundseek beside the way of the DCASE script, in one run.

    pip install astropy pandas
    python bench/evaluation.py --truth clotho_captions_evaluation.csv --answers output.csv

The challenge's way reads with pandas, scores query by query in Python, and takes each interval from
astropy's `jackknife_stats`, which computes n means of n - 1 values. Two cases: ten names a query,
as in 2022 to 2024, and a score matrix, as in 2025 (random, made in a temporary folder; every query
ranked by a sort). Each way runs in processes of its own, in turn; the median counts, and imports do
not. `read` is the files, `score` the metrics with their intervals.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

WAYS = ("soundseek", "dcase")
_BUILD = "build"
MATRIX_METRICS = ("R@1", "R@5", "R@10", "mAP@10", "mAP@16")
RANKED_METRICS = MATRIX_METRICS[:-1]

Figures = dict[str, tuple[float, float, float]]


def main() -> None:
    """Measure both ways in children, check that they agree, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=[*WAYS, _BUILD], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way == _BUILD:
        print(json.dumps(_write_matrix(options.truth, options.answers)))
        return
    if options.way:
        print(json.dumps(_measured(options.way, options.truth, options.answers)))
        return
    with tempfile.TemporaryDirectory() as folder:
        matrix = Path(folder) / "matrix.csv"
        # In a child, too: on Linux a child starts with its parent's peak memory.
        shape = _in_child(_BUILD, options.truth, matrix)
        size = matrix.stat().st_size / 1e6
        print(f"load {os.getloadavg()[0]:.1f}, {options.rounds} rounds, median")
        _case("ten names a query", options.truth, options.answers, options.rounds)
        name = f"score matrix {shape[0]:,} x {shape[1]:,}, {size:.0f} MB of text"
        _case(name, options.truth, matrix, options.rounds)


def _case(name: str, truth: Path, answers: Path, rounds: int) -> None:
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            runs[way].append(_in_child(way, truth, answers))
    print(f"\n{name}")
    medians = {}
    for way, found in runs.items():
        parts = {
            part: statistics.median(run["seconds"][part] for run in found)
            for part in found[0]["seconds"]
        }
        medians[way] = parts
        shown = "  ".join(f"{part} {seconds:7.3f} s" for part, seconds in parts.items())
        print(f"{way:<10} {shown}  peak {max(run['peak_mb'] for run in found):4.0f} MB")
    ours, theirs = (medians[way] for way in WAYS)
    print("ratio      " + "  ".join(f"{part} {theirs[part] / ours[part]:8.1f}x" for part in ours))
    mine, other = (runs[way][0]["figures"] for way in WAYS)
    furthest = max(
        abs(a - b) for metric in other for a, b in zip(mine[metric], other[metric], strict=True)
    )
    values = "  ".join(f"{metric} {mine[metric][0]:.4f}" for metric in other)
    print(f"figures    {values}\n           values and intervals agree to {furthest:.1e}")
    if furthest > 1e-9:
        sys.exit("the figures do not agree")


def _in_child(way: str, truth: Path, answers: Path) -> Any:
    words = [sys.executable, __file__, "--way", way, "--truth", truth, "--answers", answers]
    done = subprocess.run(words, check=True, capture_output=True)
    return json.loads(done.stdout)


def _write_matrix(truth: Path, path: Path) -> tuple[int, int]:
    from soundseek.metrics.dcase import read_truth, write_scores

    found = read_truth(truth)
    shape = len(found.queries), len(found.files)
    scores = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    scores[found.query_of, found.file_of] += 2.0
    with truth.open(encoding="utf-8", newline="") as file:
        names = [row[0] for row in csv.reader(file)][1:]  # as they are: pandas resolves no entity
    write_scores(path, found.queries, names, scores)
    return shape


def _measured(way: str, truth: Path, answers: Path) -> dict[str, Any]:
    """Time of reading and of scoring, figures, and the peak of the whole process."""
    read, score = (_ours if way == "soundseek" else _theirs)()
    start = time.perf_counter()
    found = read(truth, answers)
    middle = time.perf_counter()
    figures = score(found)
    end = time.perf_counter()
    return {
        "seconds": {"read": middle - start, "score": end - middle, "all": end - start},
        "figures": figures,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _ours() -> tuple[Callable[[Path, Path], Any], Callable[[Any], Figures]]:
    from soundseek.metrics.dcase import evaluated, match, read_predictions, read_truth

    def read(truth: Path, answers: Path) -> Any:
        return match(read_truth(truth), read_predictions(answers))

    def score(system: Any) -> Figures:
        found = evaluated(system.text_to_audio(), system.depth)
        return {
            name: (metric.value, *metric.ci95)
            for name, metric in found.metrics.items()
            if metric.ci95 is not None
        }

    return read, score


def _theirs() -> tuple[Callable[[Path, Path], Any], Callable[[Any], Figures]]:
    import pandas as pd
    from astropy.stats.jackknife import jackknife_stats

    def read(truth: Path, answers: Path) -> Any:
        file_of = {
            caption: name
            for name, *captions in pd.read_csv(truth).values.tolist()
            for caption in captions
        }
        table = pd.read_csv(answers)
        if table.columns[0] == "caption":
            answer_of = {text: names for text, *names in table.values.tolist()}
            return file_of, answer_of, None
        table = table.set_index("index")
        answer_of = dict(zip(table.index, table.to_numpy(), strict=True))
        return file_of, answer_of, np.array(table.columns)

    def score(found: Any) -> Figures:
        file_of, answer_of, columns = found
        metrics = RANKED_METRICS if columns is None else MATRIX_METRICS
        values: dict[str, list[float]] = {metric: [] for metric in metrics}
        for caption, name in file_of.items():
            names = answer_of[caption]
            if columns is not None:
                names = columns[np.argsort(names)[::-1]]
            hits = np.asarray([name == other for other in names])
            for metric in metrics:
                kind, k = metric.split("@")
                first = hits[: int(k)]
                if kind == "R":
                    values[metric].append(float(first.sum()))
                    continue
                places = np.flatnonzero(first) + 1
                precisions = np.arange(1, places.size + 1) / places
                values[metric].append(float(precisions.sum()))
        figures = {}
        for metric, each in values.items():
            estimate, _, _, interval = jackknife_stats(np.asarray(each), np.mean, 0.95)
            figures[metric] = (float(estimate), *map(float, interval))
        return figures

    return read, score


if __name__ == "__main__":
    main()
