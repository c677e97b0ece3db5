from __future__ import annotations

import numpy as np
import pytest

from soundseek.metrics.captions import resampling
from soundseek.metrics.captions.resampling import bootstrap_intervals
from soundseek.metrics.intervals import jackknife_interval


def test_of_a_mean_it_is_near_the_jackknife() -> None:
    values = np.random.default_rng(0).random(400)
    table = np.stack([values, np.ones(400)], axis=1)
    (found,) = bootstrap_intervals(
        table, lambda sums: sums[:, :1] / sums[:, 1:], np.random.default_rng(1)
    )
    assert found == pytest.approx(jackknife_interval(values), abs=3e-3)


def test_each_resample_has_n_clips_and_the_seed_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.stack([np.ones(7), np.arange(7.0)], axis=1)
    seen = []

    def figures(sums: np.ndarray) -> np.ndarray:
        seen.append(sums)
        return sums

    first = bootstrap_intervals(table, figures, np.random.default_rng(3), 50)
    monkeypatch.setattr(resampling, "_AT_ONCE", 21)
    assert bootstrap_intervals(table, figures, np.random.default_rng(3), 50) == first
    assert [sums.shape for sums in seen] == [(50, 2), (50, 2)]
    assert (seen[0][:, 0] == 7.0).all()
    assert bootstrap_intervals(table, figures, np.random.default_rng(4), 50) != first
