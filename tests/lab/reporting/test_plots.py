from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from soundseek.lab.reporting import plots
from soundseek.lab.reporting.drawing import drawn
from soundseek.lab.reporting.figures import recall_by_rank
from soundseek.lab.reporting.run import Row, read_run
from soundseek.metrics import relevant_positions

pytestmark = pytest.mark.lab

Made = Callable[..., Path]


def words(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def axes_of(draw: Callable[[Any], None]) -> Any:
    """The figure that was drawn."""
    kept: list[Any] = []

    def watched(figure: Any) -> None:
        draw(figure)
        kept.append(figure)

    drawn(watched)
    return kept[0]


def test_losses_name_their_terms_and_stages(run_folder: Made) -> None:
    run = read_run(run_folder())
    shown = words(drawn(lambda figure: plots.draw_losses(figure, run)))
    for word in ("Training loss", "step", "learning rate", "loss", "nt_xent", "matching", "first"):
        assert word in shown
    upper, lower = axes_of(lambda figure: plots.draw_losses(figure, run)).axes
    assert lower.get_xlim()[0] == 0
    loss = next(line for line in upper.lines if line.get_label() == "loss")
    assert list(loss.get_ydata()) == pytest.approx([5 / 3, 5 / 6, 5 / 9])


def test_a_term_that_is_the_loss_is_drawn_once_however_long_the_run(run_folder: Made) -> None:
    folder = run_folder(stages=None)
    lines = [f"{i},{1 / i},{1 / i},{2 / i}" for i in range(1, 1501)]
    table = "\n".join(["step,loss,nt_xent,other", *lines]) + "\n"
    (folder / "metrics.csv").write_text(table, encoding="utf-8")
    run = read_run(folder)
    (axes,) = axes_of(lambda figure: plots.draw_losses(figure, run)).axes
    assert [line.get_label() for line in axes.lines] == ["other", "loss"]
    assert all(len(line.get_xdata()) <= 600 for line in axes.lines)
    assert axes.get_yscale() == "log"


def test_the_kept_models_are_marked(run_folder: Made) -> None:
    run = read_run(run_folder())
    (axes,) = axes_of(lambda figure: plots.draw_validations(figure, run)).axes
    kept = next(line for line in axes.lines if line.get_label() == "kept")
    assert list(kept.get_xdata()) == [3, 9]
    assert list(kept.get_ydata()) == [0.31, 0.32]


def test_recall_has_chance_and_what_was_published(found: Any) -> None:
    curve = recall_by_rank(relevant_positions(found.scores, found.relevant), 6)
    draw = plots.draw_recall
    (axes,) = axes_of(lambda f: draw(f, curve, {"R@1": 0.5, "R@10": 0.9, "mAP@10": 0.3})).axes
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines["chance"].get_ydata()) == pytest.approx([i / 6 for i in range(1, 7)])
    assert list(lines["measured"].get_ydata()) == curve.recall.tolist()
    assert list(lines["published"].get_xdata()) == [1, 10]
    assert "published" not in words(drawn(lambda figure: draw(figure, curve, {})))


def test_rank_classes_cover_every_query(found: Any) -> None:
    ranks = relevant_positions(found.scores, found.relevant).places[:, 0].astype(int)
    (axes,) = axes_of(lambda figure: plots.draw_ranks(figure, ranks, 6)).axes
    assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(1.0)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2–6"]


@pytest.mark.parametrize("rows", [1, 2])
def test_runs_of_a_step_or_two_can_be_drawn(run_folder: Made, rows: int) -> None:
    folder = run_folder(stages=None)
    lines = [f"{i},nan,{1 / i}" for i in range(1, rows + 1)]
    for name, head in (("metrics.csv", "step,loss,nt_xent"), ("validation.csv", "step,R@1,mAP@10")):
        (folder / name).write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    run = read_run(folder)
    assert run.losses[0] == Row(1, "train", run.losses[0].values)
    drawn(lambda figure: plots.draw_losses(figure, run))
    drawn(lambda figure: plots.draw_validations(figure, run))
