"""What the sentence encoder says of every text, computed once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from soundseek.lab.progress import now_and_then
from soundseek.lab.teachers.minilm import MiniLm

_AT_ONCE = 8192


def taught_vectors(
    texts: Sequence[str], cache: Path, say: Callable[[str], None], device: torch.device
) -> NDArray[np.float16]:
    """The teacher's vectors of the texts, float16 `[n, dimension]`, about L2-normalised.

    `cache` keeps what the teacher read for whatever recipe, some thousand texts a file; so what is
    killed goes on from there, and further texts cost their own time alone.
    """
    known = _known(cache, set(texts))
    missing = sorted({text for text in texts if text not in known}, key=lambda t: (len(t), t))
    if missing:
        say(f"reading {len(missing):,} texts with the text teacher (once)")
        cache.mkdir(parents=True, exist_ok=True)
        teacher, told = MiniLm(device=device), now_and_then(say, every_s=60.0)
        for start in range(0, len(missing), _AT_ONCE):
            told(start, len(missing))
            some = missing[start : start + _AT_ONCE]
            vectors = teacher.encode(some).astype(np.float16)
            _keep(cache, some, vectors)
            known.update(zip(some, vectors, strict=True))
    return np.stack([known[text] for text in texts])


def _known(cache: Path, wanted: set[str]) -> dict[str, NDArray[np.float16]]:
    found: dict[str, NDArray[np.float16]] = {}
    for file in sorted(cache.glob("taught-*.npz")):
        with np.load(file) as kept:
            texts = kept["texts"].tobytes().decode().split("\n")
            pairs = zip(texts, kept["vectors"], strict=True)
            found |= {text: vector for text, vector in pairs if text in wanted}
    return found


def _keep(cache: Path, texts: list[str], vectors: NDArray[np.float16]) -> None:
    lines = "\n".join(texts).encode()
    path = cache / f"taught-{hashlib.sha256(lines).hexdigest()[:20]}.npz"
    draft = path.with_suffix(".partial")
    with draft.open("wb") as file:
        np.savez(file, texts=np.frombuffer(lines, np.uint8), vectors=vectors)
    draft.replace(path)
