"""Lines over the steps of a run, as all plots of its course draw them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from soundseek.lab.reporting import drawing
from soundseek.lab.reporting.run import Row, Run

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_Floats = NDArray[np.float64]
_POINTS: Final = 600


def points(rows: Sequence[Row], name: str) -> tuple[_Floats, _Floats]:
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


def marked(marker: str, x: _Floats) -> str:
    """Markers, unless there are so many that they would be a line."""
    return marker if x.size <= 40 else ""


def main_first(axes: Axes, main: str) -> tuple[list[Artist], list[str]]:
    """Handles and names of the legend, that of `main` (drawn last) first."""
    handles, names = axes.get_legend_handles_labels()
    order = sorted(range(len(names)), key=lambda i: names[i] != main)
    return [handles[i] for i in order], [names[i] for i in order]


def stage_borders(axes: Axes, rows: Sequence[Row]) -> None:
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


def step_axis(axes: Axes, rows: Sequence[Row]) -> None:
    """From 0 to the last step, in whole ones."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0, 1.03 * max(row.step for row in rows))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))


def mark_kept(axes: Axes, run: Run) -> None:
    """A star at each model that a stage kept, by the figure that tells it."""
    monitor = run.monitor
    kept = [row for row in run.kept().values() if monitor.figure in row.values]
    if not kept:
        return
    axes.plot(
        [row.step for row in kept],
        [row.values[monitor.figure] for row in kept],
        label="kept",
        linestyle="",
        marker="*",
        markersize=15,
        color=drawing.BLUE,
        markeredgecolor=drawing.INK,
        markeredgewidth=0.8,
        zorder=5,
    )
