"""Small corpora for tests: clips, tables and sounds."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from soundseek.lab.data.manifest import Clip

RATE = 8_000


def make_clip(name: str, *captions: str, **changes: Any) -> Clip:
    """A clip called `name`, by default for training and a group of its own."""
    plain: dict[str, Any] = {
        "id": name,
        "path": f"/{name}.wav",
        "duration_s": 2.0,
        "captions": captions,
        "source": "made",
        "split": "train",
        "licence": "CC0",
        "group": name,
    }
    return Clip(**plain | changes)


def write_wav(path: Path, duration_s: float = 0.5, *, seed: int = 0, rate: int = RATE) -> Path:
    """Noise that depends on `seed`, in a file whose folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, round(duration_s * rate))
    soundfile.write(path, noise.astype(np.float32), rate)
    return path


def write_csv(
    path: Path,
    rows: Sequence[Mapping[str, object]],
    *,
    encoding: str = "utf-8",
    delimiter: str = ",",
) -> Path:
    """A table with the first row's keys as its header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def clotho_rows(split: str, *names: str) -> list[dict[str, str]]:
    """Rows of a captions table of Clotho, each text different."""
    return [
        {"file_name": name, **{f"caption_{n}": f"{split} {name} text {n}" for n in range(1, 6)}}
        for name in names
    ]
