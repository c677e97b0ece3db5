"""What a run learnt, drawn: loss and figures of the validation set by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from soundseek.lab.reporting import drawing
from soundseek.lab.reporting.run import MONITOR, Row, Run

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_Floats = NDArray[np.float64]
_NOT_TERMS: Final = {"epoch", "seconds", "learning_rate", "skipped", "loss"}
_POINTS: Final = 600
_RECALLS: Final = (("R@1", "s", "--"), ("R@5", "^", "-."), ("R@10", "D", ":"))
# Figures of a loss that differ by more are drawn on a logarithmic scale.
_WIDE: Final = 50.0


def draw_losses(figure: Figure, run: Run) -> None:
    """Loss and its terms by step, with the learning rate below."""
    rated = any("learning_rate" in row.values for row in run.losses)
    if rated:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        x, y = _line(run.losses, "learning_rate")
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
        x, y = _line(run.losses, name)
        colour = drawing.COLOURS[number % len(drawing.COLOURS)]
        dashes = drawing.DASHES[(number + 1) % len(drawing.DASHES)]
        upper.plot(x, y, label=name, color=colour, linestyle=dashes, marker=marker, linewidth=1.3)
    x, y = _line(run.losses, "loss")
    upper.plot(x, y, label="loss", color=drawing.BLUE, marker=marker, linewidth=2.0)
    everything = np.array([row.values.get(name, math.nan) for row in run.losses for name in terms])
    everything = np.concatenate([everything, y])
    positive = everything[np.isfinite(everything)]
    if positive.size and positive.min() > 0 and positive.max() > _WIDE * positive.min():
        upper.set(yscale="log")
    upper.set(title="Training loss", ylabel="loss, mean over steps")
    _steps(upper, run.losses)
    if terms:
        figure.legend(*_ordered(upper), loc="outside right upper")
    _stage_borders(upper, run.losses)


def draw_validations(figure: Figure, run: Run) -> None:
    """Retrieval figures of the validation set by step; the model that was kept is marked."""
    axes = figure.subplots()
    for (name, marker, dashes), colour in zip(_RECALLS, drawing.COLOURS, strict=False):
        x, y = _line(run.validations, name)
        if x.size:
            axes.plot(
                x,
                y,
                label=name,
                color=colour,
                linestyle=dashes,
                linewidth=1.3,
                marker=_marker(marker, x),
                markersize=4,
            )
    x, y = _line(run.validations, MONITOR)
    axes.plot(
        x,
        y,
        label=MONITOR,
        color=drawing.BLUE,
        linewidth=2.0,
        marker=_marker("o", x),
        markersize=4.5,
    )
    kept = [row for row in run.kept().values() if MONITOR in row.values]
    if kept:
        axes.plot(
            [row.step for row in kept],
            [row.values[MONITOR] for row in kept],
            label="kept",
            linestyle="",
            marker="*",
            markersize=15,
            color=drawing.BLUE,
            markeredgecolor=drawing.INK,
            markeredgewidth=0.8,
            zorder=5,
        )
    axes.set(
        title="Validation, text → audio", xlabel="step", ylabel="share of queries", ylim=(0, None)
    )
    axes.yaxis.set_major_formatter(drawing.percent())
    _steps(axes, run.validations)
    figure.legend(*_ordered(axes), loc="outside right upper")
    _stage_borders(axes, run.validations)


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


def _line(rows: Sequence[Row], name: str) -> tuple[_Floats, _Floats]:
    """Steps and values, thinned by means where there are more than a plot can show; a value that is
    missing leaves a gap."""
    x = np.array([row.step for row in rows if name in row.values], np.float64)
    y = np.array([row.values[name] for row in rows if name in row.values], np.float64)
    if np.isnan(y).all():
        return x[:0], y[:0]
    each = math.ceil(x.size / _POINTS)
    if each > 1:
        starts = np.arange(0, x.size, each)
        sizes = np.diff([*starts, x.size])
        x, y = np.add.reduceat(x, starts) / sizes, np.add.reduceat(y, starts) / sizes
    return x, y


def _marker(marker: str, x: _Floats) -> str:
    """Markers, unless there are so many that they would be a line."""
    return marker if x.size <= 40 else ""


def _ordered(axes: Axes) -> tuple[list[Artist], list[str]]:
    """Handles and names of the legend, the line drawn last (the main one) first."""
    handles, names = axes.get_legend_handles_labels()
    main = [i for i, name in enumerate(names) if name in ("loss", MONITOR)]
    order = [*main, *(i for i in range(len(names)) if i not in main)]
    return [handles[i] for i in order], [names[i] for i in order]


def _stage_borders(axes: Axes, rows: Sequence[Row]) -> None:
    """A line where a stage ends, and the stages' names, where there are several."""
    stages = list(dict.fromkeys(row.stage for row in rows))
    if len(stages) < 2:
        return
    # Room for the names above the lines, whatever the scale.
    low, high = axes.transScale.transform([(1, end) for end in axes.get_ylim()])[:, 1]
    top = axes.transScale.inverted().transform([(1, high + 0.12 * (high - low))])[0, 1]
    axes.set_ylim(top=top)
    start = 0
    for stage in stages:
        end = max(row.step for row in rows if row.stage == stage)
        if stage != stages[-1]:
            axes.axvline(end, color=drawing.INK, linewidth=0.8, linestyle=(0, (2, 3)))
        axes.annotate(
            stage,
            ((start + end) / 2, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, -3),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=8.5,
            fontstyle="italic",
        )
        start = end


def _steps(axes: Axes, rows: Sequence[Row]) -> None:
    """From 0 to the last step, in whole ones."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0, 1.03 * max(row.step for row in rows))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
