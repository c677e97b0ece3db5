from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from soundseek.lab.reporting import ranking
from soundseek.lab.reporting.drawing import drawn
from soundseek.lab.reporting.figures import recall_by_rank
from soundseek.metrics import relevant_positions
from support.figures import axes_of, words

pytestmark = pytest.mark.lab


def test_recall_has_chance_and_what_was_published(found: Any) -> None:
    curve = recall_by_rank(relevant_positions(found.scores, found.relevant), 6)
    draw = ranking.draw_recall
    (axes,) = axes_of(lambda f: draw(f, curve, {"R@1": 0.5, "R@10": 0.9, "mAP@10": 0.3})).axes
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines["chance"].get_ydata()) == pytest.approx([i / 6 for i in range(1, 7)])
    assert list(lines["measured"].get_ydata()) == curve.recall.tolist()
    assert list(lines["published"].get_xdata()) == [1, 10]
    assert "published" not in words(drawn(lambda figure: draw(figure, curve, {})))


def test_rank_classes_cover_every_query(found: Any) -> None:
    ranks = relevant_positions(found.scores, found.relevant).places[:, 0].astype(int)
    (axes,) = axes_of(lambda figure: ranking.draw_ranks(figure, ranks, 6)).axes
    assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(1.0)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2–6"]
