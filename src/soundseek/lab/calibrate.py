"""From a cosine to a probability: how likely is it that this sound answers this text?

A logistic curve (Platt 1999) through validation pairs, matching and random ones weighted alike:
0.5 means "as likely the right one as any other".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundseek.bundle.schema import Calibration


def fit_calibration(scores: NDArray[np.floating], relevant: NDArray[np.bool_]) -> Calibration:
    """Fit slope and intercept to cosines `[queries, clips]` by Newton's method."""
    x = np.asarray(scores, np.float64).ravel()
    y = relevant.ravel().astype(np.float64)
    weight = np.where(y > 0, 0.5 / max(y.sum(), 1.0), 0.5 / max((1 - y).sum(), 1.0))
    slope, intercept = 1.0, 0.0
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-np.clip(slope * x + intercept, -500, 500)))
        error, curve = weight * (p - y), weight * p * (1.0 - p)
        gradient = np.array([error @ x, error.sum()])
        cross = curve @ x
        hessian = np.array([[curve @ (x * x) + 1e-9, cross], [cross, curve.sum() + 1e-9]])
        step = np.linalg.solve(hessian, gradient)
        # A step too long would leave the region where the quadratic model holds.
        step *= min(1.0, 10.0 / max(1e-12, float(np.abs(step).max())))
        slope, intercept = slope - step[0], intercept - step[1]
        if float(np.abs(step).max()) < 1e-9:
            break
    return Calibration(slope=round(float(slope), 6), intercept=round(float(intercept), 6))
