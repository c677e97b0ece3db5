from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.bundle.schema import Calibration
from soundseek.lab.calibrate import first_hits, fit_calibration, fit_logistic

pytestmark = pytest.mark.lab


def probability(score: float, fitted: Calibration) -> float:
    return float(1.0 / (1.0 + np.exp(-(fitted.slope * score + fitted.intercept))))


def test_finds_the_curve_that_made_the_labels() -> None:
    """The label of a pair hangs on its score alone, so that choosing the best changes nothing."""
    rng = np.random.default_rng(1)
    scores = rng.uniform(-1, 1, (4000, 30)).astype(np.float32)
    relevant = rng.random(scores.shape) < 1 / (1 + np.exp(-(6.0 * scores - 4.0)))
    fitted = fit_calibration(scores, relevant)
    assert fitted.slope == pytest.approx(6.0, rel=0.05)
    assert fitted.intercept == pytest.approx(-4.0, rel=0.05)
    assert fitted.fitted_on == "hits"


def test_one_half_means_that_every_other_hit_is_right() -> None:
    """One right clip among 300: pairs weighted alike would cross one half at 0.3."""
    rng = np.random.default_rng(2)
    relevant = np.tile(np.eye(300, dtype=bool), (10, 1))
    scores = np.where(relevant, 0.45, 0.1) + 0.1 * rng.standard_normal(relevant.shape)
    fitted = fit_calibration(scores, relevant)
    shown, right = first_hits(scores, relevant)
    told = 1 / (1 + np.exp(-(fitted.slope * shown + fitted.intercept)))
    assert told.mean() == pytest.approx(right.mean(), abs=0.001)
    near = np.abs(told - 0.5) < 0.15
    assert near.sum() > 300
    assert right[near].mean() == pytest.approx(0.5, abs=0.1)
    assert probability(0.3, fitted) < 0.3


def test_clips_that_are_never_shown_do_not_count() -> None:
    rng = np.random.default_rng(3)
    scores = rng.uniform(0.5, 1, (50, 10))
    relevant = rng.random(scores.shape) < scores - 0.4
    far = rng.uniform(-1, 0.4, (50, 500))
    anything = rng.random(far.shape) < 0.5
    mixed = rng.permutation(510)
    wide = np.concatenate([scores, far], axis=1)[:, mixed]
    labels = np.concatenate([relevant, anything], axis=1)[:, mixed]
    assert fit_calibration(wide, labels) == fit_calibration(scores, relevant)


def test_the_first_hits_come_best_first() -> None:
    scores = np.array([[0.1, 0.9, 0.5], [0.3, 0.2, 0.8]])
    relevant = np.array([[True, False, False], [False, True, True]])
    shown, right = first_hits(scores, relevant, k=2)
    assert shown.tolist() == [[0.9, 0.5], [0.8, 0.3]]
    assert right.tolist() == [[False, False], [True, False]]
    assert first_hits(scores, relevant)[0].shape == (2, 3)


def test_scores_that_tell_nothing_give_the_share_that_is_right() -> None:
    fitted = fit_calibration(np.full((40, 8), 0.2), np.tile(np.eye(8, dtype=bool), (5, 1)))
    assert probability(0.2, fitted) == pytest.approx(1 / 8, abs=0.01)


def test_scores_that_tell_everything_stay_finite() -> None:
    fitted = fit_calibration(np.eye(300), np.eye(300, dtype=bool))
    assert np.isfinite([fitted.slope, fitted.intercept]).all()
    assert 0.99 < probability(1.0, fitted) < 1
    assert 0 < probability(0.0, fitted) < 0.01


def test_where_nothing_is_right_nothing_is_likely() -> None:
    rng = np.random.default_rng(4)
    fitted = fit_calibration(rng.uniform(-1, 1, (50, 20)), np.zeros((50, 20), dtype=bool))
    assert probability(1.0, fitted) < 0.01


def test_every_input_has_its_coefficient() -> None:
    rng = np.random.default_rng(5)
    inputs = rng.standard_normal((20_000, 2))
    right = rng.random(len(inputs)) < 1 / (1 + np.exp(-(inputs @ [1.0, -2.0] + 0.5)))
    assert fit_logistic(inputs, right) == pytest.approx([1.0, -2.0, 0.5], abs=0.1)
