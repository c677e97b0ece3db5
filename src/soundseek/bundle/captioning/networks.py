"""The two networks of a captioner, checked against their contract (see `write`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from soundseek.bundle.captioning.schema import DECODER_FILE, MEMORY_FILE
from soundseek.bundle.network import OnnxFile
from soundseek.errors import BundleError

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


class Memory(NamedTuple):
    """What the decoder reads of sounds: `states` float32 [batch, steps, width], and `mask` int64
    [batch, steps], 1 where a state is to be read."""

    states: FloatArray
    mask: IntArray


class CaptionNetworks:
    """memory.onnx and decoder.onnx of a captioner, opened when they are first needed."""

    def __init__(self, folder: Path, threads: int | None) -> None:
        """Run on `threads` threads; None is one for each processor of this process."""
        self._memory = OnnxFile(
            folder / MEMORY_FILE, {"vectors": 3, "lengths": 1}, ["memory", "memory_mask"], threads
        )
        self._decoder = OnnxFile(
            folder / DECODER_FILE, {"ids": 2, "memory": 3, "memory_mask": 2}, ["logits"], threads
        )

    def memory(self, vectors: FloatArray) -> Memory:
        """Return the memory of clips [batch, windows, dimension], all of the same length."""
        lengths = np.full(len(vectors), vectors.shape[1], dtype=np.int64)
        states, mask = self._memory.run_all({"vectors": vectors, "lengths": lengths})
        if states.ndim != 3 or len(states) != len(vectors) or mask.shape != states.shape[:2]:
            raise BundleError(
                f"{self._memory.path} returned memory {states.shape} and memory_mask {mask.shape} "
                f"for vectors {vectors.shape}"
            )
        _check_finite(states, self._memory.path)
        return Memory(states.astype(np.float32), mask.astype(np.int64))

    def logits(self, ids: IntArray, memory: Memory, least: int) -> FloatArray:
        """Return the logits [n, vocabulary] after `ids` [n, tokens], at least `least` each."""
        feeds: dict[str, npt.NDArray[Any]] = {
            "ids": ids,
            "memory": memory.states,
            "memory_mask": memory.mask,
        }
        (logits,) = self._decoder.run_all(feeds)
        if logits.ndim != 2 or len(logits) != len(ids) or logits.shape[1] < least:
            raise BundleError(
                f"{self._decoder.path} returned logits {logits.shape} for ids {ids.shape} "
                f"(at least {least} tokens are needed)"
            )
        _check_finite(logits, self._decoder.path)
        return logits.astype(np.float32)


def _check_finite(values: npt.NDArray[np.floating], path: Path) -> None:
    if not np.isfinite(values).all():
        raise BundleError(f"{path} returned values that are not finite")
