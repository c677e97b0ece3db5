"""How loud a sound is over time, for drawing its waveform."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

FEWEST_BINS: Final = 200
MOST_BINS: Final = 4000
VERSION: Final = 1

Peaks = NDArray[np.int8]
"""[2, bins]: the lowest and the highest sample of each bin, full scale ±127."""


def peaks_of(blocks: Iterable[NDArray[np.float32]], n_samples: int) -> Peaks:
    """Return the peaks of mono blocks that hold about `n_samples`, in constant memory.

    There are `MOST_BINS` bins, or one for each sample of a shorter sound. Samples beyond the end
    belong to the last bin; a bin without samples is silent.
    """
    n_samples = max(1, n_samples)
    bins = min(MOST_BINS, n_samples)
    edges = -(-np.arange(bins + 1, dtype=np.int64) * n_samples // bins)  # the first sample of each
    low = np.full(bins, np.inf, np.float32)
    high = np.full(bins, -np.inf, np.float32)
    start = 0
    for block in blocks:
        if block.size == 0:
            continue
        end = start + block.size
        first = min(int(np.searchsorted(edges, start, side="right")) - 1, bins - 1)
        last = min(int(np.searchsorted(edges, end - 1, side="right")) - 1, bins - 1)
        within = np.maximum(edges[first : last + 1] - start, 0)
        low[first : last + 1] = np.minimum(
            low[first : last + 1], np.minimum.reduceat(block, within)
        )
        high[first : last + 1] = np.maximum(
            high[first : last + 1], np.maximum.reduceat(block, within)
        )
        start = end
    both = np.stack([low, high])
    both[~np.isfinite(both)] = 0
    return np.clip(np.rint(both * 127), -128, 127).astype(np.int8)


def folded(peaks: Peaks, bins: int) -> Peaks:
    """Return peaks in another number of bins: each covers all that it touches."""
    have = peaks.shape[1]
    starts = np.arange(bins) * have // bins
    ends = np.maximum(-(-np.arange(1, bins + 1) * have // bins), starts + 1)
    width = int((ends - starts).max())
    touched = np.minimum(starts[:, None] + np.arange(width), ends[:, None] - 1)
    return np.stack([peaks[0][touched].min(axis=1), peaks[1][touched].max(axis=1)])
