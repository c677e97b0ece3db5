"""What each part is worth, in one picture: differences from the whole system with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from soundseek.lab.ablation.ablate import Plan
from soundseek.lab.ablation.comparison import TESTED, Compared
from soundseek.lab.runs.tables import write_figure

FOREST: Final = "differences.svg"
_BLUE: Final = "#2b6cb0"
_GREY: Final = "#a0aec0"
_LEVEL: Final = 0.05


def write_forest(plan: Plan, compared: Mapping[str, Compared], folder: Path) -> str | None:
    """Draw the rows that were tested; returns the file's name, None where there is none."""
    shown = [
        (system.title, row, system.published.get(TESTED))
        for system in plan.systems
        if (row := compared.get(system.name)) is not None and row.test is not None
    ]
    if not shown:
        return None
    whole = plan.systems[0].published.get(TESTED)
    figure = Figure(figsize=(7, 1.0 + 0.36 * len(shown)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0.0, color=_GREY, linewidth=1)
    for y, (_, row, published) in enumerate(reversed(shown)):
        test = row.test
        if test is None:
            continue
        low, high = test.ci95 or (test.difference, test.difference)
        face = _BLUE if row.p_corrected is not None and row.p_corrected < _LEVEL else "white"
        axes.plot([low, high], [y, y], color=_BLUE, linewidth=1.5)
        axes.plot(test.difference, y, "o", color=_BLUE, markerfacecolor=face, markersize=6)
        if published is not None and whole is not None:
            axes.plot(published - whole, y, "D", color=_GREY, markersize=4, zorder=1)
    axes.set_yticks(range(len(shown)), [title for title, _, _ in reversed(shown)], fontsize=8)
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_xlabel(
        f"difference in {TESTED} from {plan.systems[0].title}, 95 % interval", fontsize=8
    )
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    write_figure(figure, folder / FOREST)
    return FOREST
