"""The trainer's own costs: batches, steps, evaluation, several devices, each beside a plain way.

    python bench/training.py [--parts loader step evaluate devices] [--data FOLDER]
                             [--device cpu] [--precision fp32 bf16] [--json FILE]

loader: batches from wav, ogg and flac beside a DataLoader that calls `librosa.load`. step: one step
of the trainer beside a plain PyTorch loop of the same model over the same batches; the losses of
the first steps must agree. evaluate: embedding and scoring a validation set beside one clip at a
time. devices: one device and several. Weights are random and sounds synthetic, unless `--data`
names a folder with clips.jsonl. Each case runs in processes of its own, by turns; medians count.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # workers of a DataLoader are forked

from training_parts.children import Work
from training_parts.corpus import FORMATS
from training_parts.loader import loader, measured_loader
from training_parts.recipes import SYSTEMS
from training_parts.scoring import evaluate, measured_evaluation
from training_parts.several import devices, measured_devices
from training_parts.step import measured_step, step

PARTS: dict[str, tuple[Callable[[argparse.Namespace, Path], dict[str, Any]], Work]] = {
    "loader": (loader, measured_loader),
    "step": (step, measured_step),
    "evaluate": (evaluate, measured_evaluation),
    "devices": (devices, measured_devices),
}


def main() -> None:
    """Run the chosen parts; print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--data", type=Path, help="clips.jsonl's folder, for the loader")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--precision", nargs="+", choices=("fp32", "bf16"), default=["fp32", "bf16"]
    )
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, help="of the steps, default all")
    parser.add_argument("--large", action="store_true", help="the largest system on a CPU too")
    parser.add_argument("--devices", type=int, help="how many, default all GPUs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="a round, of each loop")
    parser.add_argument("--batch", type=int, default=32, help="of the loader")
    parser.add_argument("--batches", type=int, default=12, help="of the loader, a round")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--clips", type=int, default=128, help="of the loader")
    parser.add_argument("--validation", type=int, default=64, help="clips to evaluate")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        part, text = options.child
        given = json.loads(text)
        print(json.dumps(PARTS[part][1](given["case"], argparse.Namespace(**given["options"]))))
        return
    if options.clips < options.batch:
        sys.exit(f"--clips {options.clips} do not fill a batch of {options.batch}")
    print(f"{options.threads} threads, load {os.getloadavg()[0]:.1f}, {options.rounds} rounds\n")
    figures = {}
    for part in options.parts:
        with tempfile.TemporaryDirectory() as folder:
            figures[part] = PARTS[part][0](options, Path(folder))
    if options.json:
        draft = options.json.with_suffix(".partial")
        draft.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        draft.replace(options.json)


if __name__ == "__main__":
    main()
