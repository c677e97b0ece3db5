"""Looking at plots in tests."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from soundseek.lab.reporting.drawing import drawn


def words(svg: str) -> list[str]:
    """The texts in a drawing."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def axes_of(draw: Callable[[Any], None]) -> Any:
    """The figure that was drawn."""
    kept: list[Any] = []

    def watched(figure: Any) -> None:
        draw(figure)
        kept.append(figure)

    drawn(watched)
    return kept[0]
