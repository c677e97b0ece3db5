"""Captioning metrics: soundseek beside plain pycocoevalcap, in one run.

    pip install 'soundseek[captions]'
    python bench/captions.py --captions both.csv

The CSV has both sides: id,prediction,reference_1,… Each way is a process of its own, from its start
to its figures, in turn; the median counts. Both compute BLEU, METEOR, ROUGE-L and CIDEr with the
same Java programs. soundseek computes intervals and each clip's values in a table as well, and has
METEOR read its paraphrases while the rest is done. SPICE is left out of both.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

WAYS = ("soundseek", "pycocoevalcap")
METRICS = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l", "cider")


def main() -> None:
    """Measure both ways in children, check that they agree, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--captions", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        print(json.dumps(_plain(options.captions)))
        return
    runs: dict[str, list[tuple[float, float, dict[str, Any]]]] = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        for way in WAYS:
            runs[way].append(_timed(way, options.captions))
    print(f"load {os.getloadavg()[0]:.1f}, {options.rounds} rounds, median")
    for way, found in runs.items():
        wall, processor = (statistics.median(run[i] for run in found) for i in (0, 1))
        print(f"{way:<14} {wall:6.2f} s, {processor:6.2f} s of processor")
    ours, theirs = (runs[way][0][2] for way in WAYS)
    print("figures       " + "".join(f"{name:>9}" for name in METRICS))
    for way, figures in zip(WAYS, (ours, theirs), strict=True):
        print(f"{way:<14}" + "".join(f"{figures[name]:>9.4f}" for name in METRICS))
    furthest = max(abs(ours[name] - theirs[name]) for name in METRICS)
    print(f"they agree to {furthest:.1e}")
    if furthest > 1e-6:
        sys.exit("the figures do not agree")


def _timed(way: str, captions: Path) -> tuple[float, float, dict[str, Any]]:
    """Seconds on the clock and of processor (Java included), and the figures."""
    words = [sys.executable, "-m", "soundseek", "evaluate", "captions", captions, "--json"]
    if way == "pycocoevalcap":
        words = [sys.executable, __file__, "--plain", "--captions", captions]
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(words, check=True, capture_output=True)
    wall, after = time.perf_counter() - start, os.times()
    processor = after.children_user + after.children_system
    processor -= before.children_user + before.children_system
    document = json.loads(done.stdout)
    if way == "soundseek":
        document = {name: metric["value"] for name, metric in document["metrics"].items()}
    return wall, processor, document


def _plain(captions: Path) -> dict[str, float]:
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    with captions.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name.startswith("reference_")]
    tokenizer = PTBTokenizer()
    references = tokenizer.tokenize(
        {row["id"]: [{"caption": row[name]} for name in names if row[name]] for row in rows}
    )
    predictions = tokenizer.tokenize({row["id"]: [{"caption": row["prediction"]}] for row in rows})
    figures = dict(
        zip(METRICS[:4], Bleu(4).compute_score(references, predictions, verbose=0)[0], strict=True)
    )
    for name, scorer in (("meteor", Meteor()), ("rouge_l", Rouge()), ("cider", Cider())):
        figures[name] = float(scorer.compute_score(references, predictions)[0])
    return figures


if __name__ == "__main__":
    main()
