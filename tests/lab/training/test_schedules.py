from __future__ import annotations

import math
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.lab.training.schedules import Rate
from soundseek.lab.training.settings import Schedule

pytestmark = pytest.mark.lab


def rate(kind: Any, *, peak: float = 1e-3, steps: int = 4, epochs: float = 10, **more: Any) -> Rate:
    return Rate(Schedule(kind=kind, **more), peak, steps, epochs)


def test_a_constant_rate() -> None:
    assert [rate("constant").at(step) for step in (0, 7, 39)] == [1.0] * 3


def test_warm_up_is_linear_by_step_and_ends_at_the_peak() -> None:
    made = rate("constant", warmup_epochs=1)
    assert [made.at(step) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


@given(warmup=st.floats(0, 3), steps=st.integers(1, 9), step=st.integers(0, 40))
def test_the_rate_never_passes_its_peak(warmup: float, steps: int, step: int) -> None:
    """Also where a warm-up ends between two steps."""
    for kind in ("constant", "cosine", "linear", "step", "exponential", "plateau"):
        assert 0 < rate(kind, steps=steps, warmup_epochs=warmup, last_rate=1e-5).at(step) <= 1.0


def test_a_straight_line_after_the_warm_up_to_the_last_rate() -> None:
    made = rate("linear", peak=1e-3, warmup_epochs=1, last_rate=1e-4, epochs=9)
    assert made.at(3) == 1.0
    assert [made.at(4 * epoch) for epoch in (1, 3, 5, 7, 9)] == pytest.approx(
        [1.0, 0.775, 0.55, 0.325, 0.1]
    )
    assert rate("linear", decay_epochs=2).at(4 * 5) == 0.0


def test_a_cosine_after_the_warm_up_to_the_last_rate() -> None:
    made = rate("cosine", warmup_epochs=2, last_rate=1e-4)
    # Eight epochs of four steps from step 8 to step 40; the last rate is a tenth of the peak.
    by_hand = {8: 1.0, 16: 0.1 + 0.9 * 0.5 * (1 + math.sqrt(0.5)), 24: 0.55, 40: 0.1, 60: 0.1}
    for step, factor in by_hand.items():
        assert made.at(step) == pytest.approx(factor, abs=1e-12)
    assert [made.at(step) for step in range(3)] == [1 / 8, 2 / 8, 3 / 8]


def test_a_cosine_over_so_many_epochs_is_constant_after_them() -> None:
    """CP-JKU 2024: one epoch of warm-up, fifteen of cosine, twenty in all."""
    made = rate("cosine", peak=2e-5, epochs=20, warmup_epochs=1, last_rate=1e-7, decay_epochs=15)
    last = 1e-7 / 2e-5
    assert made.at(4) == 1.0
    assert made.at(4 + 30) == pytest.approx((1 + last) / 2)
    for step in (64, 70, 79):
        assert made.at(step) == pytest.approx(last)


def test_a_budget_shorter_than_the_warm_up() -> None:
    made = rate("cosine", epochs=0.5, warmup_epochs=1)
    assert [made.at(step) for step in (0, 1)] == [0.25, 0.5]


def test_steps_down_every_so_many_epochs() -> None:
    """Surrey 2022: a tenth every 20 epochs."""
    made = rate("step", factor=0.1, every_epochs=20)
    for epoch, factor in ((0, 1.0), (19, 1.0), (20, 0.1), (39, 0.1), (40, 0.01)):
        assert made.at(epoch * 4) == pytest.approx(factor)
        assert made.at(epoch * 4 + 3) == pytest.approx(factor)


def test_exponential_by_epoch() -> None:
    made = rate("exponential", factor=0.5)
    assert [made.at(step) for step in (0, 3, 4, 8, 15)] == [1.0, 1.0, 0.5, 0.25, 0.125]


@settings(deadline=None)
@given(
    losses=st.lists(st.floats(0, 2), min_size=1, max_size=25),
    patience=st.integers(1, 4),
    threshold=st.sampled_from([0.0, 0.01, 0.3]),
)
def test_a_plateau_of_the_loss_is_that_of_torch(
    losses: list[float], patience: int, threshold: float
) -> None:
    made = rate("plateau", factor=0.5, patience=patience, threshold=threshold)
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=0.5, patience=patience, threshold=threshold, threshold_mode="abs"
    )
    for loss in losses:
        made.observe({"loss": loss})
        theirs.step(loss)
        assert made.at(100) == pytest.approx(optimiser.param_groups[0]["lr"])


def test_a_plateau_of_a_figure_that_is_to_grow() -> None:
    made = rate("plateau", factor=0.1, patience=1, monitor="mAP@10", threshold=0.01)
    for value, factor in (
        (0.20, 1.0),
        (0.205, 1.0),  # no gain of a hundredth
        (0.22, 1.0),  # a gain: counting starts again
        (0.22, 1.0),
        (0.21, 0.1),
        (0.22, 0.1),
        (0.22, 0.01),
    ):
        made.observe({"mAP@10": value, "loss": 1.0})
        assert made.at(50) == pytest.approx(factor)


def test_other_schedules_do_not_look_at_figures() -> None:
    made = rate("step")
    made.observe({})
    assert made.state() == {"plateau_factor": 1.0, "best": None, "stale": 0}


def test_a_plateau_goes_on_where_it_was() -> None:
    one, other = (rate("plateau", patience=2) for _ in range(2))
    for loss in (1.0, 1.0, 1.0, 1.0, 0.9, 1.2):
        one.observe({"loss": loss})
    other.restore(one.state())
    for loss in (1.0, 1.1, 1.0, 1.0, 1.2, 0.7):
        one.observe({"loss": loss})
        other.observe({"loss": loss})
        assert one.state() == other.state()
        assert one.at(9) == other.at(9)


def test_warm_up_comes_before_a_plateau() -> None:
    made = rate("plateau", warmup_epochs=1)
    assert made.at(0) == 0.25
    assert made.at(4) == 1.0
