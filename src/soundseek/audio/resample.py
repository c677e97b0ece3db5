"""Sample-rate conversion with soxr, at its HQ setting (the one librosa uses)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_QUALITY = "HQ"


def resample(samples: NDArray[np.float32], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    """Return the mono float32 signal `samples` [n] of `from_rate` Hz, at `to_rate` Hz.

    Equal rates return the very same array. The values equal those of `StreamResampler`.
    """
    if from_rate == to_rate or samples.size == 0:
        return samples
    import soxr

    converted: NDArray[np.float32] = soxr.resample(samples, from_rate, to_rate, _QUALITY)
    return converted


class StreamResampler:
    """The same conversion, block by block, in constant memory.

    The filter looks ahead: a block gives back a little less than it holds, and the block marked
    `last` gives back the rest. The concatenation equals `resample` of the concatenated input.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        """Convert mono float32 of `from_rate` Hz to `to_rate` Hz."""
        self._stream = None
        if from_rate != to_rate:
            import soxr

            self._stream = soxr.ResampleStream(
                from_rate, to_rate, 1, dtype="float32", quality=_QUALITY
            )

    def process(self, block: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        """Return what is ready after `block` [n] float32; `last=True` exactly once, at the end."""
        if self._stream is None:
            return block
        ready: NDArray[np.float32] = self._stream.resample_chunk(block, last=last)
        return ready
