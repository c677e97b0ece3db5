from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.lab.calibrate import fit_calibration

pytestmark = pytest.mark.lab


def probability(score: float, slope: float, intercept: float) -> float:
    return float(1.0 / (1.0 + np.exp(-(slope * score + intercept))))


def test_finds_the_curve_that_made_the_labels() -> None:
    """Equal numbers of both labels, so that weighting them alike changes nothing."""
    rng = np.random.default_rng(1)
    scores = rng.uniform(-1, 1, (200, 400))
    relevant = rng.random(scores.shape) < 1 / (1 + np.exp(-(6.0 * scores + 0.0)))
    fitted = fit_calibration(scores, relevant)
    assert fitted.slope == pytest.approx(6.0, rel=0.05)
    assert fitted.intercept == pytest.approx(0.0, abs=0.05)


def test_one_half_lies_where_both_are_as_likely_however_rare_the_right_one() -> None:
    rng = np.random.default_rng(2)
    relevant = np.eye(300, dtype=bool)
    scores = np.where(relevant, 0.5, 0.1) + 0.1 * rng.standard_normal(relevant.shape)
    fitted = fit_calibration(scores.astype(np.float32), relevant)
    assert probability(0.3, fitted.slope, fitted.intercept) == pytest.approx(0.5, abs=0.1)
    assert probability(0.5, fitted.slope, fitted.intercept) > 0.9
    assert probability(0.1, fitted.slope, fitted.intercept) < 0.1


def test_scores_that_tell_nothing_give_one_half() -> None:
    fitted = fit_calibration(np.full((4, 4), 0.2), np.eye(4, dtype=bool))
    assert probability(0.2, fitted.slope, fitted.intercept) == pytest.approx(0.5, abs=0.01)


def test_scores_that_tell_everything_stay_finite() -> None:
    fitted = fit_calibration(np.eye(5), np.eye(5, dtype=bool))
    assert np.isfinite([fitted.slope, fitted.intercept]).all()
    assert probability(1.0, fitted.slope, fitted.intercept) > 0.99
    assert probability(0.0, fitted.slope, fitted.intercept) < 0.01
