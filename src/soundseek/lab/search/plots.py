"""A study in pictures: how it went, what mattered, and each parameter against the figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from soundseek.lab.reporting.drawing import BLUE, ORANGE, drawn
from soundseek.lab.runs.tables import write_text
from soundseek.lab.search.findings import Findings, Tried
from soundseek.lab.search.space import Choice, Space

HISTORY, IMPORTANCES, SLICES = "history.svg", "importances.svg", "slices.svg"
_GREY: Final = "#a0aec0"


def write_plots(found: Findings, space: Space, folder: Path) -> list[str]:
    """Draw what there is to draw into `folder`; returns the names of the files."""
    if not found.complete:
        return []
    written = [HISTORY, SLICES]
    write_text(folder / HISTORY, drawn(lambda figure: _history(figure, found, space)))
    rows = math.ceil(len(space.parameters) / _columns(space))
    slices = drawn(lambda figure: _slices(figure, found, space), height=0.4 + 1.7 * rows)
    write_text(folder / SLICES, slices)
    if found.importances:
        height = 0.8 + 0.28 * len(found.importances)
        importances = drawn(lambda figure: _importances(figure, found), height=height)
        write_text(folder / IMPORTANCES, importances)
        written.insert(1, IMPORTANCES)
    return written


def _history(figure: Figure, found: Findings, space: Space) -> None:
    axes = figure.subplots()
    in_order = sorted(found.complete, key=lambda trial: trial.place)
    for early, label in ((False, "trial"), (True, "trial, ended early")):
        chosen = [trial for trial in in_order if trial.early == early]
        if chosen:
            face = "none" if early else BLUE
            axes.scatter(
                *_points(chosen), s=22, facecolors=face, edgecolors=BLUE, label=label, zorder=3
            )
    best, values = -math.inf, []
    for trial in in_order:
        best = max(best, float(trial.value or 0.0))
        values.append(best)
    places = [trial.place for trial in in_order]
    axes.step(places, values, where="post", color=ORANGE, label="best so far")
    for trial in found.failed:
        axes.axvline(trial.place, color=_GREY, linestyle=":", linewidth=1)
    if space.random_starts < len(found.trials):
        axes.axvline(space.random_starts - 0.5, color=_GREY, linewidth=1)
        axes.annotate(
            "random | TPE",
            (space.random_starts - 0.5, 1.0),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            fontsize=8,
        )
    axes.set(xlabel="trial", ylabel=f"best {space.figure} on the validation set")
    axes.legend(frameon=False, fontsize=8)


def _importances(figure: Figure, found: Findings) -> None:
    shares = sorted(found.importances.items(), key=lambda one: (one[1], one[0]))
    axes = figure.subplots()
    axes.grid(visible=False, axis="y")
    axes.barh([name for name, _ in shares], [share for _, share in shares], color=BLUE)
    axes.set(xlabel="importance (PED-ANOVA, sums to 1)")
    axes.tick_params(axis="y", labelsize=8)


def _slices(figure: Figure, found: Findings, space: Space) -> None:
    columns = _columns(space)
    rows = math.ceil(len(space.parameters) / columns)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    places = iter(grid.flat)
    for key, parameter in space.parameters.items():
        axes = next(places)
        xs = [trial.values[key] for trial in found.complete]
        if isinstance(parameter, Choice):
            names = [str(choice) for choice in parameter.choices]
            xs = [names.index(str(x)) for x in xs]
            axes.set_xticks(range(len(names)), names, fontsize=7)
        elif parameter.log:
            axes.set_xscale("log")
        ys = [trial.value for trial in found.complete]
        axes.scatter(xs, ys, c=[t.place for t in found.complete], cmap="Blues", s=14, vmin=-10)
        axes.scatter(xs[:1], ys[:1], color=ORANGE, s=26, zorder=3)
        axes.set_xlabel(key.rpartition(".")[2], fontsize=8)
        axes.tick_params(labelsize=7)
    for axes in places:
        axes.set_axis_off()
    figure.supylabel(space.figure, fontsize=9)


def _columns(space: Space) -> int:
    return min(4, len(space.parameters))


def _points(trials: Sequence[Tried]) -> tuple[list[int], list[float]]:
    return [trial.place for trial in trials], [float(trial.value or 0.0) for trial in trials]
