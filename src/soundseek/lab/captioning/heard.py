"""What frozen networks hear in every clip, computed once and kept for all runs that ask."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from soundseek.lab.data.locking import folder_lock
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import Waveforms
from soundseek.lab.retrieval.sequences import Hear, SoundSequences, hear_sequences

Progress = Callable[[int, int], None]


def heard_once(
    hear: Hear,
    clips: Sequence[Clip],
    store: Waveforms,
    cache: Path,
    *,
    what: Mapping[str, Any],
    width: int,
    least: int,
    max_s: float,
    on_progress: Progress | None = None,
) -> tuple[SoundSequences, dict[str, str]]:
    """The sequences of `clips`, read from `cache` where a run with the same `what` left them, and
    id → reason of those that could not be read and were heard as silence.

    `what` tells one hearing from another: encoder, weights, options.
    """

    def listen(file: Path) -> tuple[SoundSequences, Mapping[str, str]]:
        found = hear_sequences(
            hear, store, file, width=width, least=least, max_s=max_s, on_progress=on_progress
        )
        return found, store.failures

    return kept_once(heard_file(clips, cache, {**what, "max_s": max_s}), width, listen)


def heard_file(clips: Sequence[Clip], cache: Path, what: Mapping[str, Any]) -> Path:
    """The file below `cache` that is there once these clips were heard; `what` as for
    `heard_once`, with its `max_s`."""
    return cache / f"heard-{identity(clips, what)}.json"


def kept_once(
    index: Path, width: int, make: Callable[[Path], tuple[SoundSequences, Mapping[str, str]]]
) -> tuple[SoundSequences, dict[str, str]]:
    """The sequences, `width` wide, that `make` writes into a file, and its id → reason of clips
    without a sound; read again where the JSON file `index` is there.

    Written to temporary names and renamed, `index` last. Several runs may share the folder: one
    makes, the others wait.
    """
    index.parent.mkdir(parents=True, exist_ok=True)
    steps = index.with_suffix(".f16")
    if not index.exists():
        with folder_lock(index.parent, f"{index.stem}.lock", wait=True):
            if not index.exists():
                _make(index, steps, make)
    places = json.loads(index.read_text(encoding="utf-8"))
    starts, counts = np.array(places["starts"]), np.array(places["counts"])
    shape = (int(counts.sum()), width)
    found = SoundSequences(np.memmap(steps, np.float16, "r", shape=shape), starts, counts)
    return found, places["failures"]


def identity(clips: Sequence[Clip], what: Mapping[str, Any]) -> str:
    """A short mark of clips and of what hears them."""
    digest = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode())
    for clip in clips:
        digest.update(f"{clip.id}\t{clip.path}\t{clip.start_s}\t{clip.duration_s}\n".encode())
    return digest.hexdigest()[:16]


def weights_mark(module: torch.nn.Module) -> str:
    """A short mark of a module's weights: the same weights have the same."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def followed_by(heard: SoundSequences, vectors: Tensor, counts: Sequence[int]) -> SoundSequences:
    """`heard`, and behind it further items of `counts` steps each, whose steps are `vectors`
    `[all steps, width]` in order."""
    more = np.asarray(counts, dtype=np.int64)
    starts = len(heard.steps) + np.cumsum(more) - more
    return SoundSequences(
        np.concatenate([heard.steps, vectors.numpy().astype(np.float16)]),
        np.concatenate([heard.starts, starts]),
        np.concatenate([heard.counts, more]),
    )


def _make(
    index: Path,
    steps: Path,
    make: Callable[[Path], tuple[SoundSequences, Mapping[str, str]]],
) -> None:
    draft = steps.with_suffix(".partial")
    found, failures = make(draft)
    places = {
        "starts": found.starts.tolist(),
        "counts": found.counts.tolist(),
        "failures": dict(failures),
    }
    del found  # the file is mapped so long
    draft.replace(steps)
    index_draft = index.with_suffix(".partial-json")
    index_draft.write_text(json.dumps(places), encoding="utf-8")
    index_draft.replace(index)
