from __future__ import annotations

import math

import pytest

pytest.importorskip("torch")

from soundseek.lab.reporting.monitors import monitor_of
from soundseek.lab.systems import SYSTEMS

pytestmark = pytest.mark.lab


def test_captioners_go_by_their_loss_text_towers_by_a_cosine_and_all_others_by_a_ranking() -> None:
    for system in SYSTEMS:
        monitor = monitor_of(system)
        if system == "captioning":
            assert (monitor.figure, monitor.higher_is_better) == ("loss", False)
            assert monitor.goodness({"loss": 1.0}) > monitor.goodness({"loss": 2.0})
        elif system == "words":
            assert (monitor.figure, monitor.higher_is_better) == ("cosine", True)
        else:
            assert (monitor.figure, monitor.higher_is_better) == ("mAP@10", True)
            assert monitor.goodness({"mAP@10": 1.0}) > monitor.goodness({"mAP@10": 0.5})
        assert math.isnan(monitor.value({"R@1": 1.0}))


def test_training_keeps_by_the_same_figures() -> None:
    """The report is read without torch: it has its own table of what the trainers go by."""
    from soundseek.lab.retrieval.figures import MONITOR

    assert monitor_of("retrieval").figure == MONITOR
