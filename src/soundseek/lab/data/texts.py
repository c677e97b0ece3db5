"""Texts without sound, and what is made of captions: joined pairs and short spans."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from soundseek.errors import DataError

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_JOINTS = ("{} and {}", "{}, {}", "{} with {}", "{} while {}", "{} then {}")


def read_captions_csv(path: str | Path) -> list[str]:
    """All captions of a CSV with a `caption` column or `caption_1 … caption_n` columns."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no captions at {path}", remedy="check the paths in the recipe")
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        columns = [name for name in rows.fieldnames or () if re.fullmatch(r"caption(_\d+)?", name)]
        if not columns:
            raise DataError(f"{path} has no caption column", remedy="name it caption or caption_1")
        return [row[name].strip() for row in rows for name in columns if (row[name] or "").strip()]


def joined(first: str, second: str, rng: np.random.Generator) -> str:
    """One caption for two sounds heard together."""
    pattern = _JOINTS[int(rng.integers(len(_JOINTS)))]
    return pattern.format(first.rstrip(" ."), second.rstrip(" ."))


def joined_pairs(captions: Sequence[str], n: int, rng: np.random.Generator) -> list[str]:
    """`n` random pairs of captions, joined in words."""
    pairs = rng.integers(len(captions), size=(n, 2))
    return [joined(captions[a], captions[b], rng) for a, b in pairs]


def short_spans(captions: Sequence[str], n: int, rng: np.random.Generator) -> list[str]:
    """`n` runs of one to four words out of captions: what people type into a search box."""
    spans = []
    for index in rng.integers(len(captions), size=n):
        words = _WORD.findall(captions[index].lower())
        if not words:
            continue
        length = int(rng.integers(1, min(4, len(words)) + 1))
        start = int(rng.integers(0, len(words) - length + 1))
        spans.append(" ".join(words[start : start + length]))
    return spans


def unique(texts: Iterable[str]) -> list[str]:
    """The texts without repetition, sorted: the same list whatever the order they came in."""
    return sorted({text for text in texts if text})
