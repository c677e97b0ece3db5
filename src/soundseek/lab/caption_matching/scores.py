"""From scores of captions to scores of clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from soundseek.lab.caption_matching.generated import Generated

_Floats = NDArray[np.float32]
Several = Literal["max", "mean"]
SEVERAL: Final[tuple[str, ...]] = get_args(Several)
_AT_ONCE = 512


class Comparison(Protocol):
    """What compares queries with the different captions of a `Generated`; `least` is the lowest
    score that it can give."""

    least: float

    def scores(self, queries: Sequence[str]) -> _Floats:
        """Float32 `[queries, captions]`, larger is more alike."""
        ...


def clip_scores(
    comparison: Comparison, generated: Generated, queries: Sequence[str], several: Several
) -> _Floats:
    """Float32 `[queries, clips]`: the largest score of a clip's captions, or their mean.

    A clip whose captions hold no word has the least score that the comparison can give. Queries
    are gone through in blocks, so that many captions a clip take no memory.
    """
    found = np.full((len(queries), len(generated.of_clip)), comparison.least, np.float32)
    speaking = [clip for clip, places in enumerate(generated.of_clip) if places]
    places = [generated.of_clip[clip] for clip in speaking]
    counts = np.array([len(own) for own in places], np.float64)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.intp)
    captions = np.array([place for own in places for place in own], np.intp)
    for start in range(0, len(queries), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        block = comparison.scores(queries[rows])[:, captions]
        if several == "max":
            found[rows, speaking] = np.maximum.reduceat(block, starts, axis=1)
        else:
            # In double, so that the mean of one score three times is that score.
            sums = np.add.reduceat(block.astype(np.float64), starts, axis=1)
            found[rows, speaking] = sums / counts
    return found
