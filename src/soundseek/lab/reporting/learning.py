"""What a run learnt, drawn: loss and figures of the validation set by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike

from soundseek.lab.reporting import curves, drawing
from soundseek.lab.reporting.run import Row, Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NOT_TERMS: Final = {"epoch", "seconds", "learning_rate", "skipped", "loss"}
_RECALLS: Final = (("R@1", "s", "--"), ("R@5", "^", "-."), ("R@10", "D", ":"))
# Figures of a loss that differ by more are drawn on a logarithmic scale.
_WIDE: Final = 50.0
_MOST_LOSS: Final = 100.0
_PERPLEXITIES: Final = tuple(digit * 10**power for power in range(6) for digit in (1, 2, 5))


def draw_losses(figure: Figure, run: Run) -> None:
    """Loss and its terms by step, with the learning rate below."""
    rated = any("learning_rate" in row.values for row in run.losses)
    if rated:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        x, y = curves.points(run.losses, "learning_rate")
        lower.plot(x, y, color=drawing.INK, linewidth=1.2)
        lower.set(ylabel="learning rate", xlabel="step")
        lower.set_ylim(0, 1.2 * float(y.max(initial=0.0)) or 1.0)
        lower.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    else:
        upper = figure.subplots()
        upper.set(xlabel="step")
    terms = _terms(run.losses)
    marker = "o" if len(run.losses) < 3 else ""
    for number, name in enumerate(terms):
        x, y = curves.points(run.losses, name)
        colour = drawing.COLOURS[number % len(drawing.COLOURS)]
        dashes = drawing.DASHES[(number + 1) % len(drawing.DASHES)]
        upper.plot(x, y, label=name, color=colour, linestyle=dashes, marker=marker, linewidth=1.3)
    x, y = curves.points(run.losses, "loss")
    upper.plot(x, y, label="loss", color=drawing.BLUE, marker=marker, linewidth=2.0)
    everything = np.array([row.values.get(name, math.nan) for row in run.losses for name in terms])
    everything = np.concatenate([everything, y])
    positive = everything[np.isfinite(everything)]
    if positive.size and positive.min() > 0 and positive.max() > _WIDE * positive.min():
        upper.set(yscale="log")
    upper.set(title="Training loss", ylabel="loss, mean over steps")
    curves.step_axis(upper, run.losses)
    if terms:
        figure.legend(*curves.main_first(upper, "loss"), loc="outside right upper")
    curves.stage_borders(upper, run.losses)


def draw_validations(figure: Figure, run: Run) -> None:
    """Retrieval figures of the validation set by step; the model that was kept is marked."""
    axes, monitor = figure.subplots(), run.monitor.figure
    for (name, marker, dashes), colour in zip(_RECALLS, drawing.COLOURS, strict=False):
        x, y = curves.points(run.validations, name)
        if x.size:
            axes.plot(
                x,
                y,
                label=name,
                color=colour,
                linestyle=dashes,
                linewidth=1.3,
                marker=curves.marked(marker, x),
                markersize=4,
            )
    x, y = curves.points(run.validations, monitor)
    axes.plot(
        x,
        y,
        label=monitor,
        color=drawing.BLUE,
        linewidth=2.0,
        marker=curves.marked("o", x),
        markersize=4.5,
    )
    curves.mark_kept(axes, run)
    axes.set(
        title="Validation, text → audio", xlabel="step", ylabel="share of queries", ylim=(0, None)
    )
    axes.yaxis.set_major_formatter(drawing.percent())
    curves.step_axis(axes, run.validations)
    figure.legend(*curves.main_first(axes, monitor), loc="outside right upper")
    curves.stage_borders(axes, run.validations)


def draw_validation_losses(figure: Figure, run: Run) -> None:
    """Loss of the validation set by step, on the right as perplexity; the model that was kept is
    marked."""
    axes, monitor = figure.subplots(), run.monitor.figure
    x, y = curves.points(run.validations, monitor)
    marker = curves.marked("o", x)
    axes.plot(x, y, label=monitor, color=drawing.BLUE, linewidth=2.0, marker=marker, markersize=4.5)
    curves.mark_kept(axes, run)
    axes.set(title="Validation loss", xlabel="step", ylabel="loss, mean over tokens")
    curves.step_axis(axes, run.validations)
    figure.legend(*curves.main_first(axes, monitor), loc="outside right upper")
    curves.stage_borders(axes, run.validations)
    right = axes.secondary_yaxis("right", functions=(_perplexity, _loss))
    right.set_ylabel("perplexity")
    low, high = (_perplexity(end) for end in axes.get_ylim())
    ticks = [tick for tick in _PERPLEXITIES if low <= tick <= high]
    if len(ticks) > 1:
        right.set_yticks(ticks, [f"{tick:g}" for tick in ticks])


def _perplexity(loss: ArrayLike) -> ArrayLike:
    # An axis may ask far outside of its range, where there are no such numbers.
    return np.asarray(np.exp(np.clip(loss, -_MOST_LOSS, _MOST_LOSS)))


def _loss(perplexity: ArrayLike) -> ArrayLike:
    return np.asarray(np.log(np.clip(perplexity, math.exp(-_MOST_LOSS), None)))


def _terms(rows: Sequence[Row]) -> list[str]:
    """The loss's terms; one that is the loss itself is none."""
    names = [name for name in rows[0].values if name not in _NOT_TERMS]
    loss = np.array([row.values.get("loss", math.nan) for row in rows])
    terms = []
    for name in names:
        y = np.array([row.values.get(name, math.nan) for row in rows])
        if np.isfinite(y).any() and not np.allclose(y, loss, equal_nan=True):
            terms.append(name)
    return terms
