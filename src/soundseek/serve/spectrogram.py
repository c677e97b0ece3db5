"""A picture of a sound: time to the right, pitch upwards, the louder the more colour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundseek.audio.frontends import FrontEndSpec, features
from soundseek.serve.png import png

VERSION: Final = 1

_BANDS: Final = 128
_HIGHEST_HZ: Final = 16_000.0
_WINDOW_S: Final = 0.046
_SHOWN_DB: Final = 70.0
_SILENT_DB: Final = -90.0
# About 1 dB each: what nobody sees would only make the file larger.
_LEVELS: Final = 64
# So many looks at the sound make a column, so that what is short is not missed between them.
_LOOKS: Final = 4
_FEWEST_SAMPLES_BETWEEN: Final = 64
_FRAMES_AT_ONCE: Final = 256
# Quiet is transparent: the picture stands on any ground, dark or light. (level, red, green, blue)
_COLOURS: Final = (
    (0.0, 0x2A, 0x6F, 0x97),
    (0.45, 0x2A, 0x9D, 0x8F),
    (0.75, 0xE0, 0x9F, 0x3E),
    (1.0, 0xD6, 0x45, 0x2B),
)


def spectrogram_png(
    blocks: Iterable[NDArray[np.float32]],
    n_samples: int,
    sample_rate: int,
    *,
    width: int,
    height: int,
) -> bytes:
    """Return a PNG of a log-mel spectrogram of mono blocks that hold about `n_samples`.

    In long sounds, only `_LOOKS` short windows of each column are analysed: memory is constant
    and time is that of decoding.
    """
    levels = _levels(blocks, n_samples, sample_rate, width)
    return png(_picture(levels, height), palette())


def _levels(
    blocks: Iterable[NDArray[np.float32]], n_samples: int, sample_rate: int, width: int
) -> NDArray[np.float32]:
    """Return decibels [width, bands], each column the loudest of what was looked at."""
    spec = _spec(sample_rate)
    step = max(n_samples / (width * _LOOKS), float(_FEWEST_SAMPLES_BETWEEN))
    n_looks = max(1, int(n_samples / step))
    places = (np.arange(n_looks) * step).astype(np.int64)
    columns = np.full((width, _BANDS), -np.inf, np.float32)
    for first, frames in _frames(blocks, places, spec):
        looks = np.arange(first, first + len(frames))
        np.maximum.at(columns, looks * width // n_looks, frames)
    return _filled(columns)


def _frames(
    blocks: Iterable[NDArray[np.float32]], places: NDArray[np.int64], spec: FrontEndSpec
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield (index of the first place, decibels [places, bands]) as the sound goes by."""
    window = spec.window_samples
    held, offset, done = np.zeros(0, np.float32), 0, 0
    for block in _and_silence(blocks, window):
        held = np.concatenate([held, block])
        ready = int(np.searchsorted(places, offset + held.size - window, side="right"))
        while done < ready:
            some = places[done : min(ready, done + _FRAMES_AT_ONCE)]
            cut = held[(some - offset)[:, None] + np.arange(window)]
            yield done, features(cut, spec)[:, 0]
            done += len(some)
        if done < len(places):
            gone = min(held.size, max(0, int(places[done]) - offset))
            held, offset = held[gone:].copy(), offset + gone
        else:
            held, offset = held[:0], offset + held.size


def _and_silence(
    blocks: Iterable[NDArray[np.float32]], samples: int
) -> Iterator[NDArray[np.float32]]:
    yield from blocks
    yield np.zeros(samples, np.float32)


def _spec(sample_rate: int) -> FrontEndSpec:
    size = 1 << max(8, min(13, round(np.log2(sample_rate * _WINDOW_S))))
    return FrontEndSpec(
        sample_rate=sample_rate,
        padding="none",
        window_samples=size,
        hop_samples=size,
        fft_size=size,
        spectrum="power",
        mel_scale="slaney",
        bands=_BANDS,
        f_min=0.0,
        f_max=min(_HIGHEST_HZ, sample_rate / 2),
        compression="db",
        floor=1e-10,
    )


def _filled(columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give columns that no look fell into the one before: a short sound has fewer looks."""
    seen = np.isfinite(columns[:, 0])
    if not seen.any():
        return np.full_like(columns, _SILENT_DB)
    latest = np.maximum.accumulate(np.where(seen, np.arange(len(columns)), 0))
    return columns[np.where(seen[latest], latest, int(np.argmax(seen)))]


def _picture(levels: NDArray[np.float32], height: int) -> NDArray[np.uint8]:
    """Return palette indices [height, width], low pitch at the bottom."""
    top = float(levels.max())
    if top <= _SILENT_DB:
        return np.zeros((height, len(levels)), np.uint8)
    shown = np.clip((levels - (top - _SHOWN_DB)) / _SHOWN_DB, 0, 1)
    at = np.linspace(_BANDS - 1, 0, height)
    low = np.minimum(at.astype(int), _BANDS - 2)
    share = (at - low)[:, None]
    rows = shown.T[low] * (1 - share) + shown.T[low + 1] * share
    indices: NDArray[np.uint8] = np.rint(rows * (_LEVELS - 1)).astype(np.uint8)
    return indices


@cache
def palette() -> NDArray[np.uint8]:
    """Return the colours [_LEVELS, 4]: red, green, blue, opacity."""
    level = np.linspace(0, 1, _LEVELS)
    stops = np.asarray(_COLOURS)
    colours = [np.interp(level, stops[:, 0], stops[:, channel]) for channel in (1, 2, 3)]
    return np.stack([*colours, 255 * level**0.9], axis=1).round().astype(np.uint8)
