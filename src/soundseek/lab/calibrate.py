"""From a cosine to a probability: how likely is a hit with this score to be right?

A logistic curve (Platt 1999) through the hits that people see: the first ten of every validation
query. Pairs at random would tell another thing: most of them are plainly wrong, which says little
about those few that a search puts first.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundseek.bundle.schema import Calibration

HITS: Final = 10
"""So many of each ranking are fitted."""


def fit_calibration(scores: NDArray[np.floating], relevant: NDArray[np.bool_]) -> Calibration:
    """Fit slope and intercept to the first ten clips of every query.

    `scores` cosines `[queries, clips]`, and which clips are `relevant`. What is fitted is how often
    a hit is labelled relevant. Labels are seldom complete: other clips may answer a query, too, so
    that the probabilities are rather too low than too high.
    """
    shown, right = first_hits(scores, relevant)
    slope, intercept = fit_logistic(shown.reshape(-1, 1), right.ravel())
    return Calibration(
        slope=round(float(slope), 6), intercept=round(float(intercept), 6), fitted_on="hits"
    )


def first_hits(
    scores: NDArray[np.floating], relevant: NDArray[np.bool_], k: int = HITS
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The scores of the first `k` clips of every query, best first, and whether they are relevant:
    both `[queries, k]`, or all clips if there are fewer."""
    k = min(k, scores.shape[1])
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(best, order, axis=1)
    shown = np.take_along_axis(scores, best, axis=1).astype(np.float64)
    return shown, np.take_along_axis(relevant, best, axis=1)


def fit_logistic(inputs: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Coefficients of the `inputs` `[n, inputs]`, and the intercept last, by Newton's method.

    Instead of 1 and 0 the targets are (r + 1) / (r + 2) and 1 / (w + 2) for r right and w wrong
    ones, so that inputs that tell both apart without a mistake have a finite curve, too (Platt
    1999, "Probabilistic outputs for support vector machines", section 2.2).
    """
    x = np.column_stack([inputs, np.ones(len(inputs))])
    n_right = float(right.sum())
    n_wrong = right.size - n_right
    target = np.where(right, (n_right + 1) / (n_right + 2), 1 / (n_wrong + 2))
    fitted = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ fitted, -500, 500)))
        gradient = x.T @ (p - target)
        hessian = x.T @ (x * (p * (1.0 - p))[:, None])
        step = np.linalg.solve(hessian + 1e-9 * np.eye(len(fitted)), gradient)
        # A step too long would leave the region where the quadratic model holds.
        step *= min(1.0, 10.0 / max(1e-12, float(np.abs(step).max())))
        fitted = fitted - step
        if float(np.abs(step).max()) < 1e-9:
            break
    return fitted
