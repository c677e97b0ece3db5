"""Fixed windows over a stream of blocks: a long sound becomes many inputs of one length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from soundseek.errors import AudioError


@dataclass(frozen=True, eq=False)
class Window:
    """One window of a sound.

    Attributes:
        index: 0, 1, 2, …; the window starts at `index` hops.
        start_s: where it starts in the sound, in seconds.
        end_s: where it ends in the sound; less than a window after `start_s` if it is the last.
        samples: [window_samples] float32, digital silence after the sound's end.
        valid_samples: how many of them are sound.
    """

    index: int
    start_s: float
    end_s: float
    samples: NDArray[np.float32]
    valid_samples: int


def iter_windows(
    blocks: Iterable[NDArray[np.float32]], sample_rate: int, window_samples: int, hop_samples: int
) -> Iterator[Window]:
    """Yield the windows of the sound that the mono float32 `blocks` make up.

    Windows start at the multiples of the hop. The last one is padded with zeros. It is left out if
    it would cover less than a tenth of a hop that the windows before it do not cover, unless it is
    the only one. No samples, no windows. Holds no more than one window and one block.

    Raises AudioError unless 1 ≤ hop_samples ≤ window_samples and the rate is positive.
    """
    if sample_rate < 1 or not 1 <= hop_samples <= window_samples:
        raise AudioError(
            f"windows of {window_samples} samples every {hop_samples} at {sample_rate} Hz",
            remedy="the hop must be at least 1 sample and at most the window",
        )
    held = np.zeros(0, np.float32)  # the sound from the next window's start on
    parts: list[NDArray[np.float32]] = []
    waiting = (
        0  # samples in parts: joined only when a window is full, so that tiny blocks are cheap
    )
    index = 0
    for block in blocks:
        parts.append(block)
        waiting += block.size
        if held.size + waiting < window_samples:
            continue
        held = np.concatenate([held, *parts])
        parts, waiting = [], 0
        start = 0
        while held.size - start >= window_samples:
            yield _window(
                index,
                held[start : start + window_samples],
                sample_rate,
                window_samples,
                hop_samples,
            )
            index += 1
            start += hop_samples
        held = held[start:].copy()  # a view would keep the block alive
    held = np.concatenate([held, *parts])
    covered = window_samples - hop_samples if index else 0  # of what is held, by earlier windows
    new = held.size - covered
    if new >= 0.1 * hop_samples or (index == 0 and new > 0):
        yield _window(index, held, sample_rate, window_samples, hop_samples)


def _window(
    index: int, sound: NDArray[np.float32], sample_rate: int, window_samples: int, hop_samples: int
) -> Window:
    samples = np.zeros(window_samples, np.float32)
    samples[: sound.size] = sound
    start = index * hop_samples
    return Window(
        index=index,
        start_s=start / sample_rate,
        end_s=(start + sound.size) / sample_rate,
        samples=samples,
        valid_samples=sound.size,
    )


def batched(windows: Iterable[Window], size: int) -> Iterator[list[Window]]:
    """Yield the windows in lists of `size`; the last list may be shorter.

    Raises AudioError if `size` is below 1.
    """
    if size < 1:
        raise AudioError(f"batches of {size} windows", remedy="give a size of at least 1")
    iterator = iter(windows)
    while batch := list(islice(iterator, size)):
        yield batch
