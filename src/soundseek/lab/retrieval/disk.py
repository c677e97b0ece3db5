"""What a training leaves on the disk, against what is free there."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import store_file
from soundseek.lab.problems import Problems
from soundseek.lab.retrieval.clips import ClipSets
from soundseek.lab.retrieval.rehearsed import Need, gigabytes
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.training.settings import Run
from soundseek.lab.training.trial import StepTrial

_BYTES_A_SAMPLE = 2


def disk_needs(
    run: Run,
    run_folder: Path | None,
    decoded: Iterable[tuple[Sequence[Clip], int]] | None,
    trials: Sequence[StepTrial],
    problems: Problems,
    *,
    heard_bytes: int = 0,
) -> list[Need]:
    """Decoded sounds that are not there yet, what is heard of them once, kept models and
    checkpoints; a disk that is too small for all that it is to hold is a problem.

    `decoded`: clips that are to be decoded together, and the sample rate; None where that cannot be
    told.
    """
    out = Path() if run_folder is None else run_folder
    cache = RunFolder(out).cache_for(run.cache)
    needs = []
    if decoded is not None:
        needs.append(_need("decoded sounds", cache, _to_decode(decoded, cache)))
    if heard_bytes:
        needs.append(_need("what is heard of them", cache, heard_bytes))
    if trials:
        # A file is written beside the one that it takes the place of.
        kept = [trial.kept_bytes for trial in trials]
        last = max(trial.checkpoint_bytes for trial in trials)
        needs.append(_need("models and checkpoints", out, 2 * last + sum(kept) + max(kept)))
    by_disk: dict[int, list[Need]] = {}
    for need in needs:
        by_disk.setdefault(_existing(Path(need.place)).stat().st_dev, []).append(need)
    for together in by_disk.values():
        wanted, free = sum(need.bytes for need in together), together[0].free
        if wanted > free:
            places = " and ".join(dict.fromkeys(need.place for need in together))
            problems.add(
                "disk",
                f"{gigabytes(wanted)} are needed in {places}, {gigabytes(free)} are free",
                "make room, put run.cache on another disk, or set run.decode=when_needed",
            )
    return needs


def _to_decode(decoded: Iterable[tuple[Sequence[Clip], int]], cache: Path) -> int:
    wanted: dict[Path, int] = {}
    for clips, sample_rate in decoded:
        file = store_file(clips, sample_rate, cache)
        if clips and not file.exists():
            seconds = sum(clip.duration_s for clip in clips)
            wanted[file] = round(seconds * sample_rate) * _BYTES_A_SAMPLE
    return sum(wanted.values())


def parts_of(clips: ClipSets) -> tuple[list[Clip], list[Clip], list[Clip]]:
    """Those of training, of validation and of test."""
    return clips.train, clips.validation, clips.test


def _need(what: str, place: Path, size: int) -> Need:
    return Need(what, str(place), size, shutil.disk_usage(_existing(place)).free)


def _existing(place: Path) -> Path:
    """The folder itself, or the nearest above it that is there."""
    place = place.absolute()
    return next(one for one in (place, *place.parents) if one.exists())
