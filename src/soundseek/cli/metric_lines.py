"""Figures for people: a line each, with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soundseek.cli.terminal import say


def print_metrics(metrics: Mapping[str, Mapping[str, Any]]) -> None:
    """Print figures by name, each with `value` and `ci95` (low and high, or None)."""
    for name, figure in metrics.items():
        digits = 1 if name == "medR" else 4
        line = f"  {name:<7} {figure['value']:>7.{digits}f}"
        if figure["ci95"] is not None:
            line += f"  [{figure['ci95'][0]:.{digits}f}, {figure['ci95'][1]:.{digits}f}]"
        say(line)
