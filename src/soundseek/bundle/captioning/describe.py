"""Sound files described in words: the whole of each, and what is heard when.

Silence is called so without asking the network, which would make something up: a window counts as
silent if the mean square of its samples is below -70 dB of full scale.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from soundseek.audio.decode import stream
from soundseek.audio.windows import batched, iter_windows
from soundseek.bundle.captioning.captioner import Caption, Captioner
from soundseek.bundle.captioning.decoding import Decoding
from soundseek.bundle.runtime import Bundle
from soundseek.errors import AudioError, QueryError

SILENCE = Caption("silence", 0.0)
SILENT_DBFS = -70.0

_SILENT_SQUARE = 10 ** (SILENT_DBFS / 10)
_BATCH = 16

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Heard:
    """A file that was listened to.

    Attributes:
        path: as it was given.
        duration_s: its length in seconds.
        hop_s: distance between the starts of its windows.
        vectors: one for every window, float32 [n, dimension], n ≥ 1.
        silent: which windows are silent, bool [n].
    """

    path: str
    duration_s: float
    hop_s: float
    vectors: FloatArray
    silent: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Part:
    """What is heard from `start_s` to `end_s`, and the mean log-probability of its tokens."""

    start_s: float
    end_s: float
    caption: str
    score: float


@dataclass(frozen=True)
class Description:
    """A file in words; `parts` is empty unless it was asked for."""

    path: str
    duration_s: float
    caption: str
    score: float
    parts: tuple[Part, ...]


def hear(bundle: Bundle, path: str | os.PathLike[str]) -> Heard:
    """Listen to the file at `path`; memory does not grow with its length, but for the vectors.

    Raises `AudioError` if it cannot be read or holds no sound.
    """
    return hear_blocks(bundle, stream(path, bundle.sample_rate), os.fspath(path))


def hear_blocks(bundle: Bundle, blocks: Iterable[FloatArray], path: str) -> Heard:
    """Listen to a stream of mono blocks at the bundle's rate; `path` is what to call it."""
    audio = bundle.manifest.audio
    length = 0

    def counted() -> Iterator[FloatArray]:
        nonlocal length
        for block in blocks:
            length += block.size
            yield block

    windows = iter_windows(counted(), audio.sample_rate, audio.window_samples, audio.hop_samples)
    vectors, silent = [], []
    for batch in batched(windows, _BATCH):
        samples = np.stack([window.samples for window in batch])
        valid = np.asarray([window.valid_samples for window in batch], dtype=np.int64)
        vectors.append(bundle.embed_windows(samples, valid))
        squares = np.square(samples, dtype=np.float64).sum(axis=1) / valid
        silent.append(squares < _SILENT_SQUARE)
    if not vectors:
        raise AudioError(f"{path} holds no sound: it is empty")
    seconds = length / audio.sample_rate
    return Heard(path, seconds, bundle.hop_s, np.concatenate(vectors), np.concatenate(silent))


def describe(
    captioner: Captioner,
    heard: Sequence[Heard],
    decoding: Decoding | None = None,
    *,
    every_s: float | None = None,
) -> list[Description]:
    """Describe files that were heard with the bundle that `captioner` reads.

    With `every_s`, each also has a caption for every part of about so many seconds (a whole number
    of windows), neighbours with the same caption joined. Raises `QueryError` unless `every_s` is
    above 0, and what `Captioner.caption` raises.
    """
    if every_s is not None and not every_s > 0:
        raise QueryError(f"parts of {every_s} s", remedy="give a length above 0 s")
    cuts = [_cuts(file, every_s) for file in heard]
    pieces = [
        (file.vectors[first:last], file.silent[first:last])
        for file, ranges in zip(heard, cuts, strict=True)
        for first, last in [(0, len(file.vectors)), *ranges]
    ]
    captions = iter(_captions(captioner, pieces, decoding))
    described = []
    for file, ranges in zip(heard, cuts, strict=True):
        whole = next(captions)
        parts = [_part(file, first, last, next(captions)) for first, last in ranges]
        described.append(Description(file.path, file.duration_s, *whole, tuple(_joined(parts))))
    return described


def _cuts(file: Heard, every_s: float | None) -> list[tuple[int, int]]:
    """Return the first window of each part, and the one after its last."""
    if every_s is None:
        return []
    count = len(file.vectors)
    size = max(1, min(count, round(every_s / file.hop_s)))
    return [(first, min(first + size, count)) for first in range(0, count, size)]


def _captions(
    captioner: Captioner,
    pieces: Sequence[tuple[FloatArray, npt.NDArray[np.bool_]]],
    decoding: Decoding | None,
) -> list[Caption]:
    most = captioner.manifest.most_windows
    # Where not all windows can be read, those with sound in them say more.
    asked = {
        index: vectors if len(vectors) <= most else vectors[~silent]
        for index, (vectors, silent) in enumerate(pieces)
        if not silent.all()
    }
    found = dict(zip(asked, captioner.caption(list(asked.values()), decoding), strict=True))
    return [found.get(index, SILENCE) for index in range(len(pieces))]


def _part(file: Heard, first: int, last: int, caption: Caption) -> Part:
    is_end = last == len(file.vectors)
    end_s = file.duration_s if is_end else last * file.hop_s
    return Part(first * file.hop_s, end_s, *caption)


def _joined(parts: Sequence[Part]) -> list[Part]:
    joined: list[Part] = []
    for part in parts:
        before = joined[-1] if joined else None
        if before is None or before.caption != part.caption:
            joined.append(part)
            continue
        lengths = before.end_s - before.start_s, part.end_s - part.start_s
        score = (before.score * lengths[0] + part.score * lengths[1]) / sum(lengths)
        joined[-1] = Part(before.start_s, part.end_s, part.caption, score)
    return joined
