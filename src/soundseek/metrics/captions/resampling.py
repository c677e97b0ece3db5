"""Intervals of figures that are no means: clips are drawn again, and the figure computed anew."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

RESAMPLES = 2000
_AT_ONCE = 2_000_000


def bootstrap_intervals(
    statistics: FloatArray,
    figures: Callable[[FloatArray], FloatArray],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> list[tuple[float, float]]:
    """Return the 95 % percentile interval of each figure of a set of clips (Efron 1979).

    `statistics` `[n, k]` are summed over the clips of a set; `figures` turns sums `[resamples, k]`
    into figures `[resamples, m]`. Each resample draws n clips with replacement.
    """
    n = statistics.shape[0]
    step = max(1, _AT_ONCE // n)
    sums = []
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = rng.integers(0, n, size=(rows, n)) + n * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        sums.append(times.astype(np.float64) @ statistics)
    found = figures(np.concatenate(sums))
    low, high = np.quantile(found, [0.025, 0.975], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
