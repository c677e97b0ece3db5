"""Clips of a part as waveforms, decoded once or when needed, and those that cannot be read told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import FileWaveforms, Waveforms, open_store
from soundseek.lab.progress import now_and_then
from soundseek.lab.training.settings import Run

Say = Callable[[str], None]


class Decoded(NamedTuple):
    """The clips that have a sound, their sounds, and id → reason of those that were left out."""

    clips: list[Clip]
    store: Waveforms
    unreadable: Mapping[str, str]


def decoded_part(
    name: str, clips: list[Clip], sample_rate: int, run: Run, cache: Path, say: Say
) -> Decoded:
    """Decode the clips of part `name` into `cache`, once for all runs; all stay as they are where
    the recipe decodes when needed.

    Raises `DataError` when none can be decoded.
    """
    if run.decode == "when_needed":
        return Decoded(clips, FileWaveforms(clips, sample_rate), {})
    say(f"decoding {len(clips)} clips of {name} (once)")
    store = open_store(
        clips,
        sample_rate,
        cache,
        workers=run.workers,
        on_progress=now_and_then(lambda line: say(f"decoding {name}: {line}")),
    )
    tell_left_out(name, store.failures, len(clips), say)
    kept, whole = store.without_failures(clips)
    return Decoded(kept, whole, store.failures)


def tell_left_out(name: str, left_out: Mapping[str, str], clips: int, say: Say) -> None:
    """Name each clip that is left out of a part of so many clips, and how many these are."""
    for clip_id, reason in left_out.items():
        say(f"left out {clip_id}: {reason}")
    if left_out:
        say(f"{len(left_out)} of {clips} clips of {name} are left out")
