"""What the tests of the retrieval trainer share."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

Document = dict[str, Any]


def silent(_: str) -> None:
    """Say nothing."""


def rows(path: Path) -> list[dict[str, str]]:
    """A table of figures, without the seconds that it took."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {name: value for name, value in row.items() if name != "seconds"}
            for row in csv.DictReader(file)
        ]


def noise(seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    """White noise, float32."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.5, 0.5, round(seconds * rate)).astype(np.float32)
