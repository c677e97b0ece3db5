"""Several tests at once: p values corrected for how many were made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soundseek.errors import DataError


def holm(ps: Sequence[float]) -> list[float]:
    """Return Holm's step-down correction of p values, in their order.

    The i-th smallest of m becomes the largest of (m - j + 1) · p_j over j <= i, at most 1: if all
    below a level are called differences, the chance that any is called so by mistake is at most
    that level, however the tests depend on each other (Holm 1979).

    Raises `DataError` for a value outside 0 … 1.
    """
    values = np.asarray(ps, dtype=np.float64)
    if values.size and not ((values >= 0.0) & (values <= 1.0)).all():
        raise DataError(f"p values must lie between 0 and 1: {list(ps)}")
    order = np.argsort(values, kind="stable")
    steps = (values.size - np.arange(values.size)) * values[order]
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if values.size else steps
    return [float(value) for value in corrected]
