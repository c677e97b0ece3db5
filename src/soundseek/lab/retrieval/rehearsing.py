"""What rehearsals of trainings look at and tell, whatever the system."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch

from soundseek.errors import AudioError
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import decoded
from soundseek.lab.retrieval.clips import ClipSets
from soundseek.lab.retrieval.prepare import Say
from soundseek.lab.retrieval.rehearsal_checks import unreadable
from soundseek.lab.retrieval.rehearsed import PartFigures
from soundseek.lab.training.settings import Run

_DECODED: Final = 12
SMALLER: Final = 8
"""By how much the batch is smaller that is tried first."""


def part_figures(clips: ClipSets) -> dict[str, PartFigures]:
    """Those of training, validation and test."""
    found = {}
    for name in ("train", "validation", "test"):
        part: list[Clip] = getattr(clips, name)
        probed, bad = unreadable(part)
        found[name] = PartFigures(
            len(part),
            sum(len(clip.captions) for clip in part),
            sum(clip.duration_s for clip in part) / 3600,
            probed,
            bad,
            dict(Counter(clip.source for clip in part).most_common()),
        )
    return found


def decoding_seconds(clips: Sequence[Clip], sample_rate: int, say: Say) -> float:
    """Seconds of work to decode a second of sound, from some of the clips."""
    there = [clip for clip in clips if clip.has_audio]
    chosen = there[:: max(1, len(there) // _DECODED)][:_DECODED]
    say(f"decoding {len(chosen)} sounds")
    begun, heard_s = time.perf_counter(), 0.0
    for clip in chosen:
        try:
            heard_s += len(decoded(clip, sample_rate)) / sample_rate
        except AudioError:
            continue  # told with the headers, and left out in training too
    return (time.perf_counter() - begun) / heard_s if heard_s else 0.0


def remarks(run: Run, run_folder: Path | None, exchanged: str = "gradients") -> Iterator[str]:
    """Notes on what was not looked at; processes that train together have `exchanged` besides."""
    if run_folder is None:
        yield "no --out was given: the disk is judged where this was started"
    if run.devices > 1:
        yield (
            f"one process was tried with its share of the batch; all {run.devices} exchange "
            f"{exchanged} besides"
        )


def device_name(device: torch.device) -> str:
    """A device as people know it."""
    if device.type != "cuda":
        return str(device)
    return f"{device} ({torch.cuda.get_device_name(device)})"


@contextmanager
def threads_of(run: Run) -> Iterator[None]:
    """Compute on the threads of a recipe."""
    before = torch.get_num_threads()
    try:
        if run.threads is not None:
            torch.set_num_threads(run.threads)
        yield
    finally:
        torch.set_num_threads(before)
