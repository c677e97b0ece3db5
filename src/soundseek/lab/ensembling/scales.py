"""Scales on which the scores of several systems can be added."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from soundseek.lab.choices import chosen

_Floats = NDArray[np.float32]
Scale = Literal["none", "zscore", "query_zscore", "rank"]
SCALES: Final[tuple[str, ...]] = get_args(Scale)
Scaler = Callable[[_Floats], _Floats]


def scaler(scale: Scale, blocks: Callable[[], Iterable[_Floats]]) -> Scaler:
    """What brings a block of rows of a matrix to `scale`; `blocks` goes through all of it.

    - `none`: scores as they are.
    - `zscore`: mean 0 and deviation 1 over the whole matrix, for which `blocks` is read once.
    - `query_zscore`: the same within each query, so that every query weighs alike.
    - `rank`: how many clips of the query score less, and half of those that score the same, as a
      share: the order of the clips decides nothing, and neither does how far apart scores are.

    Constant scores become 0. Raises `RecipeError` for another name.
    """
    made = chosen(_SCALERS, scale, "scale")
    return made(blocks)


def scaled(scores: _Floats, scale: Scale) -> _Floats:
    """Scores `[queries, clips]` on a scale that several models share."""
    return scaler(scale, lambda: (scores,))(scores)


def moments(blocks: Iterable[_Floats]) -> tuple[float, float]:
    """Mean and deviation of all values, in one pass and in float64.

    Block by block by the update of Chan, Golub and LeVeque (1979), which does not subtract large
    sums of squares from each other.
    """
    n, mean, squares = 0, 0.0, 0.0
    for block in blocks:
        if block.size == 0:
            continue
        own = float(block.mean(dtype=np.float64))
        deviations = float(np.square(block.astype(np.float64) - own).sum())
        shift, total = own - mean, n + block.size
        mean += shift * block.size / total
        squares += deviations + shift * shift * n * block.size / total
        n = total
    return mean, (squares / n) ** 0.5 if n else 0.0


def _unchanged(blocks: Callable[[], Iterable[_Floats]]) -> Scaler:
    return lambda block: block


def _zscore(blocks: Callable[[], Iterable[_Floats]]) -> Scaler:
    mean, deviation = moments(blocks())
    factor = 1.0 / deviation if deviation > 0 else 0.0
    return lambda block: ((block.astype(np.float64) - mean) * factor).astype(np.float32)


def _query_zscore(blocks: Callable[[], Iterable[_Floats]]) -> Scaler:
    def within(block: _Floats) -> _Floats:
        mean = block.mean(axis=1, keepdims=True, dtype=np.float64)
        deviation = block.std(axis=1, keepdims=True, dtype=np.float64)
        factor = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
        return np.asarray((block - mean) * factor, np.float32)

    return within


def _rank(blocks: Callable[[], Iterable[_Floats]]) -> Scaler:
    def places(block: _Floats) -> _Floats:
        n = block.shape[1]
        order = np.argsort(block, axis=1)
        ordered = np.take_along_axis(block, order, axis=1)
        result = np.empty(block.shape, np.float32)
        np.put_along_axis(result, order, np.arange(1, 2 * n, 2, dtype=np.float32)[None], axis=1)
        for row in np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1)):
            below = np.searchsorted(ordered[row], block[row], "left")
            result[row] = below + np.searchsorted(ordered[row], block[row], "right")
        result /= np.float32(2 * n)
        return result

    return places


_SCALERS: Mapping[str, Callable[[Callable[[], Iterable[_Floats]]], Scaler]] = MappingProxyType(
    {"none": _unchanged, "zscore": _zscore, "query_zscore": _query_zscore, "rank": _rank}
)
