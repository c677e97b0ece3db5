"""Steps a second of a whole training on one device and on several."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from soundseek.lab.retrieval.synthetic import write_synthetic_corpus
from soundseek.lab.retrieval.train import train
from training_parts.children import Case, Found, median, rounds, silence, table
from training_parts.recipes import recipe_of

_SYSTEM = {"cpu": "narrow Cnn10 + small transformer", "cuda": "Cnn14 + BERT-base"}
_KINDS = 48
_BATCH = {"cpu": 12, "cuda": 32}


def devices(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Print the table and return its figures; a line where there is one device alone."""
    there = options.devices or (torch.cuda.device_count() if options.device == "cuda" else 1)
    if there < 2:
        print(f"Devices: skipped, there is one {options.device} device or none\n", flush=True)
        return {"skipped": f"{there} devices"}
    write_synthetic_corpus(folder / "corpus", kinds=_KINDS, duration_s=4.0)
    cases: list[Case] = [
        {"devices": n, "precision": precision, "folder": str(folder)}
        for precision in options.precision
        for n in (1, there)
    ]
    found = rounds("devices", cases, options)
    system = _SYSTEM[options.device]
    print(f"Devices: {system}, batches of {_BATCH[options.device]} in all, {options.device}\n")
    table(
        ("devices", "precision", "steps/s"),
        [
            (case["devices"], case["precision"], f"{median(runs, 'steps_s'):.2f}")
            for case, runs in zip(cases, found, strict=True)
        ],
    )
    return {"devices": [cases, found]}


def measured_devices(case: Case, options: argparse.Namespace) -> Found:
    """A training of `options.steps` steps after some to warm up; its own table has the seconds."""
    place = Path(case["folder"])
    sources = {
        split: [{"corpus": "clips", "root": str(place / "corpus"), "split": split}]
        for split in ("train", "validation")
    }
    warm = 4
    recipe = recipe_of(
        _SYSTEM[options.device],
        data={**sources, "captions": "each"},
        optimiser={"batch": _BATCH[options.device], "max_steps": warm + options.steps},
        run={
            "device": options.device,
            "devices": case["devices"],
            "precision": case["precision"],
            # Processes of a processor share its cores.
            "threads": max(1, options.threads // case["devices"]),
            "cache": str(place / "cache"),
            "log_steps": 1,
            "checkpoint_steps": 10**6,
            "evaluate_epochs": 10**6,
        },
    )
    with TemporaryDirectory() as run:
        train(recipe, Path(run), silence)
        with (Path(run) / "metrics.csv").open(newline="", encoding="utf-8") as file:
            seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    return {"steps_s": options.steps / max(0.1, seconds[-1] - seconds[warm - 1])}
