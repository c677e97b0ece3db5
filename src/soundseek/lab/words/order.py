"""Which texts a step learns from: texts of about one length, all of them before any again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_BATCHES = 16  # whose texts are sorted together, so that little of a batch is padding


class BatchOrder:
    """Batches of any step, by (seed, step) alone."""

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self._lengths = np.asarray(lengths)
        self._batch = batch
        self._seed = seed
        self._permutation = lru_cache(maxsize=2)(self._drawn)
        self._sorted = lru_cache(maxsize=2)(self._group)

    def at(self, step: int) -> NDArray[np.int64]:
        """Indices `[batch]` of the texts of a step, counted from 0."""
        group, place = divmod(step, _BATCHES)
        chosen: NDArray[np.int64] = self._sorted(group)[place]
        return chosen

    def _group(self, group: int) -> NDArray[np.int64]:
        size = _BATCHES * self._batch
        stream = np.arange(group * size, (group + 1) * size)
        epochs, places = np.divmod(stream, len(self._lengths))
        drawn = np.concatenate(
            [self._permutation(int(epoch))[places[epochs == epoch]] for epoch in np.unique(epochs)]
        )
        drawn = drawn[np.argsort(self._lengths[drawn], kind="stable")]
        order = np.random.default_rng((self._seed, 1, group)).permutation(_BATCHES)
        return drawn.reshape(_BATCHES, self._batch)[order]

    def _drawn(self, epoch: int) -> NDArray[np.int64]:
        rng = np.random.default_rng((self._seed, 0, epoch))
        return rng.permutation(len(self._lengths))
