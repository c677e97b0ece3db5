"""Confidence intervals of a mean over queries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from soundseek.errors import DataError


def jackknife_interval(
    values: npt.NDArray[np.floating] | Sequence[float], confidence: float = 0.95
) -> tuple[float, float]:
    """Return the jackknife interval `(low, high)` of the mean of `values` [n].

    Leaving each value out in turn gives n means; for the mean, their jackknife estimate is the
    mean itself and their standard error is s/√n with s² = Σ(x - mean)²/(n - 1), so the interval
    is mean ± z·s/√n. This is what `jackknife_stats(values, np.mean, 0.95)` of astropy computes,
    with which the DCASE challenge reports its intervals.

    Raises `DataError` for fewer than two values, a value that is not finite, or a confidence
    outside (0, 1).
    """
    from statistics import NormalDist

    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or sample.size < 2:
        raise DataError(
            f"a jackknife interval needs a list of at least two values, got shape {sample.shape}"
        )
    if not np.isfinite(sample).all():
        first = int(np.flatnonzero(~np.isfinite(sample))[0])
        raise DataError(f"value {first} is {sample[first]}: an interval needs finite values")
    if not 0.0 < confidence < 1.0:
        raise DataError(f"confidence is {confidence}: it must lie between 0 and 1")
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    mean = float(sample.mean())
    half_width = z * float(sample.std(ddof=1)) / float(np.sqrt(sample.size))
    return mean - half_width, mean + half_width
