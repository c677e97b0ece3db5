"""What each part is worth, in one picture: differences from the whole system with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from soundseek.lab.ablation.ablate import Plan
from soundseek.lab.ablation.comparison import TESTED, Compared
from soundseek.lab.reporting.drawing import BLUE, drawn
from soundseek.lab.runs.tables import write_text

FOREST: Final = "differences.svg"
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
    draw = partial(_forest, plan=plan, shown=shown)
    write_text(folder / FOREST, drawn(draw, height=1.0 + 0.36 * len(shown)))
    return FOREST


def _forest(
    figure: Figure, plan: Plan, shown: Sequence[tuple[str, Compared, float | None]]
) -> None:
    whole = plan.systems[0].published.get(TESTED)
    axes = figure.subplots()
    axes.axvline(0.0, color=_GREY, linewidth=1)
    for y, (_, row, published) in enumerate(reversed(shown)):
        test = row.test
        if test is None:
            continue
        low, high = test.ci95 or (test.difference, test.difference)
        face = BLUE if row.p_corrected is not None and row.p_corrected < _LEVEL else "white"
        axes.plot([low, high], [y, y], color=BLUE, linewidth=1.5)
        axes.plot(test.difference, y, "o", color=BLUE, markerfacecolor=face, markersize=6)
        if published is not None and whole is not None:
            axes.plot(published - whole, y, "D", color=_GREY, markersize=4, zorder=1)
    axes.set_yticks(range(len(shown)), [title for title, _, _ in reversed(shown)], fontsize=8)
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_xlabel(
        f"difference in {TESTED} from {plan.systems[0].title}, 95 % interval", fontsize=8
    )
    axes.tick_params(axis="x", labelsize=8)
