"""Numbers as the cells of a report's tables show them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from soundseek.lab.reporting.document import Text

_FORMS: Final = {"medR": ".1f", "vocabulary": ",.0f"}


def figure(name: str, value: float) -> str:
    """A figure: fractions with four digits, ranks with one, counts with none."""
    return f"{value:{_FORMS.get(name, '.4f')}}"


def figure_row(
    name: str, metrics: Mapping[str, Any], published: Mapping[str, float], shown: str | None = None
) -> tuple[Text, ...]:
    """Name (or what is `shown` instead), published value where any is, value, interval."""
    cells: list[Text] = [shown or name]
    if published:
        cells.append(figure(name, published[name]) if name in published else "")
    if name not in metrics:
        return (*cells, "", "")
    bounds = metrics[name]["ci95"]
    interval = "" if bounds is None else f"{figure(name, bounds[0])} – {figure(name, bounds[1])}"
    return (*cells, figure(name, metrics[name]["value"]), interval)


def figure_head(published: Mapping[str, float]) -> tuple[tuple[str, ...], str]:
    """The head of a table of such rows, and its alignment."""
    head = ("figure", *(("published",) if published else ()), "measured", "95 % interval")
    return head, "l" + "r" * (len(head) - 1)


def number(value: float | None, form: str) -> str:
    """A number, or nothing where there is none."""
    return "" if value is None or math.isnan(value) else f"{value:{form}}"


def time(seconds: float | None) -> str:
    """A time in the unit that suits it, or nothing where there is none."""
    if seconds is None or math.isnan(seconds):
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours = seconds / 60, seconds / 3600
    return f"{minutes:.1f} min" if minutes < 60 else f"{hours:.1f} h"
