"""The clips of a corpus as waveforms at one rate: decoded once, or whenever they are asked for.

Decoded once, they lie as 16-bit mono in one memory-mapped file, and training cuts and mixes without
decoding. The store is two files that belong to one list of clips; it is written beside its place
and renamed, so that a killed run leaves none or all of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from soundseek.audio.decode import read
from soundseek.errors import AudioError, DataError
from soundseek.lab.data.locking import folder_lock
from soundseek.lab.data.manifest import Clip
from soundseek.lab.feeding import made_ahead

_FULL_SCALE = 32767.0


class Waveforms(Protocol):
    """Clips by their place in a list; `failures` says why a clip (by id) has no sound."""

    @property
    def sample_rate(self) -> int: ...

    @property
    def failures(self) -> dict[str, str]: ...

    def __len__(self) -> int: ...

    def length(self, index: int) -> int:
        """Samples of clip `index`."""
        ...

    def read(self, index: int, start: int = 0, length: int | None = None) -> NDArray[np.float32]:
        """Clip `index` from sample `start`, at most `length` samples, as float32 in ±1."""
        ...


@dataclass(frozen=True)
class WaveformStore:
    """`samples` int16, all clips end to end; clip i is `samples[offsets[i]:offsets[i + 1]]`.

    A clip that could not be decoded has length 0 and its reason in `failures` (by clip id).
    """

    samples: NDArray[np.int16]
    offsets: NDArray[np.int64]
    sample_rate: int
    failures: dict[str, str]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def length(self, index: int) -> int:
        """Samples of clip `index`."""
        return int(self.offsets[index + 1] - self.offsets[index])

    def read(self, index: int, start: int = 0, length: int | None = None) -> NDArray[np.float32]:
        """Clip `index` from sample `start`, at most `length` samples, as float32 in ±1."""
        begin, end = int(self.offsets[index]) + start, int(self.offsets[index + 1])
        if length is not None:
            end = min(end, begin + length)
        return self.samples[begin:end].astype(np.float32) / np.float32(_FULL_SCALE)

    def without_failures(self, clips: Sequence[Clip]) -> tuple[list[Clip], WaveformStore]:
        """The clips of the store that have a sound, and the store of these alone."""
        kept = [i for i, clip in enumerate(clips) if clip.id not in self.failures]
        # A clip without a sound has no samples: the end of one is the start of the next kept.
        offsets = np.append(self.offsets[kept], self.offsets[-1])
        store = WaveformStore(self.samples, offsets, self.sample_rate, {})
        return [clips[i] for i in kept], store


@dataclass(frozen=True)
class FileWaveforms:
    """Clips that are decoded each time they are read: for corpora that would not fit on the disk a
    second time. Their lengths are those of the manifest.

    What cannot be read comes without samples, and its reason stands in `failures`: one bad file
    does not end a training.
    """

    clips: Sequence[Clip]
    sample_rate: int
    failures: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.clips)

    def length(self, index: int) -> int:
        """Samples of clip `index`, as the manifest has it."""
        return round(self.clips[index].duration_s * self.sample_rate)

    def read(self, index: int, start: int = 0, length: int | None = None) -> NDArray[np.float32]:
        """Clip `index` from sample `start`, at most `length` samples, as float32 in ±1."""
        clip = self.clips[index]
        samples = self.length(index) - start
        if length is not None:
            samples = min(samples, length)
        if samples <= 0:
            return np.zeros(0, np.float32)
        try:
            waveform, _ = read(
                clip.path,
                self.sample_rate,
                start_s=clip.start_s + start / self.sample_rate,
                duration_s=samples / self.sample_rate,
            )
        except AudioError as error:
            self.failures[clip.id] = error.message
            return np.zeros(0, np.float32)
        return waveform[:samples]


def open_waveforms(
    clips: Sequence[Clip], sample_rate: int, folder: str | Path, *, ahead: bool
) -> Waveforms:
    """The clips decoded `ahead` into a store under `folder`, or each time they are read."""
    return open_store(clips, sample_rate, folder) if ahead else FileWaveforms(clips, sample_rate)


def open_store(
    clips: Sequence[Clip],
    sample_rate: int,
    folder: str | Path,
    *,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> WaveformStore:
    """Open the store of these clips under `folder`, building it first if it is not there, with
    `workers` threads that decode.

    Raises `DataError` when no clip at all could be decoded.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    index_file = store_file(clips, sample_rate, folder)
    stem, samples_file = index_file.with_suffix(""), index_file.with_suffix(".i16")
    if not index_file.exists():
        # Several runs may share the folder: the first of them decodes, the others wait for it.
        with folder_lock(folder, f"{stem.name}.lock", wait=True):
            if not index_file.exists():
                _build(clips, sample_rate, samples_file, index_file, workers, on_progress)
    index = json.loads(index_file.read_text(encoding="utf-8"))
    samples = np.memmap(samples_file, dtype=np.int16, mode="r")
    return WaveformStore(samples, np.array(index["offsets"]), sample_rate, index["failures"])


def store_file(clips: Sequence[Clip], sample_rate: int, folder: str | Path) -> Path:
    """The file under `folder` that is there once the store of these clips is complete."""
    described = "\n".join(_identity(clip) for clip in clips)
    identity = hashlib.sha256(described.encode()).hexdigest()
    return Path(folder) / f"waveforms-{sample_rate}-{identity[:12]}.json"


def _build(
    clips: Sequence[Clip],
    sample_rate: int,
    samples_file: Path,
    index_file: Path,
    workers: int,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    offsets, failures = [0], {}
    draft = samples_file.with_suffix(".partial")
    with draft.open("wb") as file:
        sampled = made_ahead(lambda i: _sampled(clips[i], sample_rate), 0, len(clips), workers)
        for done, (samples, reason) in enumerate(sampled, start=1):
            if reason is not None:
                failures[clips[done - 1].id] = reason
            samples.tofile(file)
            offsets.append(offsets[-1] + len(samples))
            if on_progress is not None:
                on_progress(done, len(clips))
    if offsets[-1] == 0:
        reason = next(iter(failures.values()), "the list is empty")
        raise DataError(f"none of {len(clips)} clips could be decoded; the first: {reason}")
    draft.rename(samples_file)
    index_draft = index_file.with_suffix(".partial-json")
    index_draft.write_text(json.dumps({"offsets": offsets, "failures": failures}), encoding="utf-8")
    index_draft.rename(index_file)


def decoded(clip: Clip, sample_rate: int) -> NDArray[np.float32]:
    """A clip's samples from its file. Raises `AudioError` where it cannot be read."""
    # Manifests round durations: a millisecond more loses nothing of a whole file.
    duration_s = clip.duration_s if clip.start_s > 0 else clip.duration_s + 0.001
    return read(clip.path, sample_rate, start_s=clip.start_s, duration_s=duration_s)[0]


def _sampled(clip: Clip, sample_rate: int) -> tuple[NDArray[np.int16], str | None]:
    """The samples of a clip, or none and the reason."""
    try:
        waveform = decoded(clip, sample_rate)
    except AudioError as error:
        return np.zeros(0, np.int16), error.message
    return np.round(np.clip(waveform, -1.0, 1.0) * _FULL_SCALE).astype(np.int16), None


def _identity(clip: Clip) -> str:
    return f"{clip.id}\t{clip.path}\t{clip.start_s}\t{clip.duration_s}"
