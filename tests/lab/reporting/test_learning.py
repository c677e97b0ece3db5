from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from soundseek.lab.reporting import learning
from soundseek.lab.reporting.drawing import drawn
from soundseek.lab.reporting.run import Row, read_run
from support.figures import axes_of, words

pytestmark = pytest.mark.lab

Made = Callable[..., Path]


def test_losses_name_their_terms_and_stages(run_folder: Made) -> None:
    run = read_run(run_folder())
    shown = words(drawn(lambda figure: learning.draw_losses(figure, run)))
    for word in ("Training loss", "step", "learning rate", "loss", "nt_xent", "matching", "first"):
        assert word in shown
    upper, lower = axes_of(lambda figure: learning.draw_losses(figure, run)).axes
    assert lower.get_xlim()[0] == 0
    loss = next(line for line in upper.lines if line.get_label() == "loss")
    assert list(loss.get_ydata()) == pytest.approx([5 / 3, 5 / 6, 5 / 9])


def test_a_term_that_is_the_loss_is_drawn_once_however_long_the_run(run_folder: Made) -> None:
    folder = run_folder(stages=None)
    lines = [f"{i},{1 / i},{1 / i},{2 / i}" for i in range(1, 1501)]
    table = "\n".join(["step,loss,nt_xent,other", *lines]) + "\n"
    (folder / "metrics.csv").write_text(table, encoding="utf-8")
    run = read_run(folder)
    (axes,) = axes_of(lambda figure: learning.draw_losses(figure, run)).axes
    assert [line.get_label() for line in axes.lines] == ["other", "loss"]
    assert all(len(line.get_xdata()) <= 600 for line in axes.lines)
    assert axes.get_yscale() == "log"


def test_the_kept_models_are_marked(run_folder: Made) -> None:
    run = read_run(run_folder())
    (axes,) = axes_of(lambda figure: learning.draw_validations(figure, run)).axes
    kept = next(line for line in axes.lines if line.get_label() == "kept")
    assert list(kept.get_xdata()) == [3, 9]
    assert list(kept.get_ydata()) == [0.31, 0.32]


@pytest.mark.parametrize("rows", [1, 2])
def test_runs_of_a_step_or_two_can_be_drawn(run_folder: Made, rows: int) -> None:
    folder = run_folder(stages=None)
    lines = [f"{i},nan,{1 / i}" for i in range(1, rows + 1)]
    for name, head in (("metrics.csv", "step,loss,nt_xent"), ("validation.csv", "step,R@1,mAP@10")):
        (folder / name).write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    run = read_run(folder)
    assert run.losses[0] == Row(1, "train", run.losses[0].values)
    drawn(lambda figure: learning.draw_losses(figure, run))
    drawn(lambda figure: learning.draw_validations(figure, run))


def test_the_validation_loss_of_a_captioner_has_a_scale_of_perplexity(
    captioning_run: Made,
) -> None:
    run = read_run(captioning_run())
    svg = drawn(lambda figure: learning.draw_validation_losses(figure, run))
    for word in ("Validation loss", "loss, mean over tokens", "perplexity", "5", "kept", "step"):
        assert word in words(svg)
    (axes,) = axes_of(lambda figure: learning.draw_validation_losses(figure, run)).axes
    kept = next(line for line in axes.lines if line.get_label() == "kept")
    assert (list(kept.get_xdata()), list(kept.get_ydata())) == ([6], [1.0])
    loss = next(line for line in axes.lines if line.get_label() == "loss")
    assert list(loss.get_ydata()) == [2.0, 1.0, 1.5]


@pytest.mark.parametrize("losses", [["nan"], [0.001], [0.0, 300.0], ["nan", 5.0]])
def test_any_validation_loss_can_be_drawn(captioning_run: Made, losses: list[object]) -> None:
    folder = captioning_run()
    lines = [f"{step},train,{loss},1" for step, loss in enumerate(losses, start=1)]
    text = "\n".join(["step,stage,loss,perplexity", *lines]) + "\n"
    (folder / "validation.csv").write_text(text, encoding="utf-8")
    drawn(lambda figure: learning.draw_validation_losses(figure, read_run(folder)))
