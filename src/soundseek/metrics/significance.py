"""Whether two systems differ on the same queries: a paired randomisation test of the mean.

Under the hypothesis that the systems are alike, each query's two values could as well have been
swapped: the difference keeps its size and takes either sign with equal chance. p is the share of
sign patterns whose mean difference is at least as far from 0 as the one observed (two-sided).
Nothing is assumed about how the values are distributed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from soundseek.errors import DataError
from soundseek.metrics.intervals import jackknife_interval

# Up to so many differing queries all sign patterns are tried: 2^16, about as quick as drawing.
_EXACT = 16
# Sums that are equal on paper differ by rounding: relative to the sum of all sizes.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class PairedTest:
    """What `paired_test` found.

    Attributes:
        difference: mean over queries of first minus second.
        ci95: the paired 95 % interval of that mean, None for a single query.
        p: two-sided; 1 if the systems agree on every query.
        n: how many queries.
        differing: on how many of them the systems differ.
        permutations: how many sign patterns were compared.
        exact: whether these were all there are; otherwise they were drawn.
    """

    difference: float
    ci95: tuple[float, float] | None
    p: float
    n: int
    differing: int
    permutations: int
    exact: bool


def paired_test(
    first: npt.NDArray[np.floating] | Sequence[float],
    second: npt.NDArray[np.floating] | Sequence[float],
    rng: np.random.Generator,
    permutations: int = 10_000,
) -> PairedTest:
    """Compare two systems' values `[n]` on the same queries by a randomisation test.

    With up to 16 differing queries every sign pattern is tried, and p is exact. Otherwise
    `permutations` = m patterns are drawn with `rng`, and p is (b + 1)/(m + 1), b of them being at
    least as extreme: it counts the observed pattern itself, so that it is never 0 (Phipson and
    Smyth 2010). Memory does not grow with n times m.

    Raises `DataError` if the lists differ in length, are empty, hold a value that is not finite,
    or if `permutations` is below 1.
    """
    differences = _differences(first, second)
    if permutations < 1:
        raise DataError(f"permutations is {permutations}: it must be at least 1")
    sizes = np.abs(differences[differences != 0.0])
    threshold = abs(float(differences.sum())) - _ROUNDING * float(sizes.sum())
    exact = sizes.size <= _EXACT
    sums = _all_sums(sizes) if exact else _drawn_sums(sizes, rng, permutations)
    extreme = int(np.count_nonzero(np.abs(sums) >= threshold))
    return PairedTest(
        difference=float(differences.mean()),
        ci95=jackknife_interval(differences) if differences.size > 1 else None,
        p=extreme / sums.size if exact else (extreme + 1) / (permutations + 1),
        n=int(differences.size),
        differing=int(sizes.size),
        permutations=int(sums.size),
        exact=exact,
    )


def _differences(
    first: npt.NDArray[np.floating] | Sequence[float],
    second: npt.NDArray[np.floating] | Sequence[float],
) -> npt.NDArray[np.float64]:
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.ndim != 1 or one.shape != other.shape or one.size == 0:
        raise DataError(
            f"a paired test needs two lists of equal length, got shapes {one.shape} and "
            f"{other.shape}",
            remedy="give both systems' values on the same queries, in the same order",
        )
    for name, values in (("first", one), ("second", other)):
        if not np.isfinite(values).all():
            where = int(np.flatnonzero(~np.isfinite(values))[0])
            raise DataError(f"value {where} of the {name} system is {values[where]}: not finite")
    return one - other


def _all_sums(sizes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The sums of all 2^n sign patterns."""
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums + size, sums - size])
    return sums


def _drawn_sums(
    sizes: npt.NDArray[np.float64], rng: np.random.Generator, permutations: int
) -> npt.NDArray[np.float64]:
    """The sums of random sign patterns.

    Recalls and precisions take few values, so most sizes occur many times; how many of those
    occurrences are positive is binomial, which replaces that many single signs.
    """
    sums = np.zeros(permutations)
    for size, count in zip(*np.unique(sizes, return_counts=True), strict=True):
        if count == 1:  # as binomial, at a tenth of its time
            sums += size * (2.0 * rng.integers(0, 2, permutations, dtype=np.int8) - 1.0)
        else:
            sums += size * (2.0 * rng.binomial(count, 0.5, permutations) - count)
    return sums
