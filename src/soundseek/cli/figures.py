"""Figures of an evaluation, for programs and for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundseek.cli.terminal import faint, say

if TYPE_CHECKING:
    from soundseek.metrics import PairedTest
    from soundseek.metrics.dcase import Evaluation

_DIGITS = 6
_FORMS = {"medR": ".1f", "vocabulary": ",.0f"}


def document_of(found: Sequence[Evaluation], other: Path | None, seed: int) -> dict[str, Any]:
    """Return what `--json` prints of a system, and of the `other` one behind it in `found`."""
    from soundseek.metrics.dcase import compared

    document: dict[str, Any] = {"n": found[0].n, "metrics": _figures(found[0])}
    if other is not None:
        tests = compared(found[0], found[1], seed)
        document["comparison"] = {
            "predictions": str(other),
            "metrics": _figures(found[1]),
            "differences": {name: _difference(test) for name, test in tests.items()},
        }
    return document


def _figures(found: Evaluation) -> dict[str, Any]:
    return {
        name: {"value": rounded(metric.value), "ci95": _interval(metric.ci95)}
        for name, metric in found.metrics.items()
    }


def _difference(test: PairedTest) -> dict[str, Any]:
    return {
        "value": rounded(test.difference),
        "ci95": _interval(test.ci95),
        "p": float(f"{test.p:.4g}"),
        "differing": test.differing,
        "permutations": test.permutations,
        "exact": test.exact,
    }


def rounded(value: float) -> float:
    """Return a figure with as many digits as anyone reads."""
    return round(value, _DIGITS)


def _interval(bounds: tuple[float, float] | None) -> list[float] | None:
    return None if bounds is None else [rounded(bound) for bound in bounds]


def print_figures(part: Mapping[str, Any]) -> None:
    """Print a row a metric: figure and interval; with a comparison the other's, and the
    difference. `part` is what `document_of` returns."""
    comparison = part.get("comparison")
    heading = ["", "value", "95 % interval"]
    if comparison is not None:
        heading += ["other", "difference", "95 % interval", "p"]
    rows = [heading]
    for name, figure in part["metrics"].items():
        form = _FORMS.get(name, ".4f")
        row = [name, *_cells(figure, form)]
        if comparison is not None:
            theirs = comparison["metrics"].get(name)
            difference = comparison["differences"].get(name)
            row.append("" if theirs is None else _cells(theirs, form)[0])
            if difference is None:
                row += ["", "", ""]
            else:
                row += [*_cells(difference, "+.4f"), f"{difference['p']:.4f}"]
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for i, row in enumerate(rows):
        name, *cells = row
        aligned = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        line = "  ".join([name.ljust(widths[0]), *aligned]).rstrip()
        say(faint(line) if i == 0 else line)


def _cells(figure: Mapping[str, Any], form: str) -> list[str]:
    bounds = figure["ci95"]
    interval = "" if bounds is None else f"[{bounds[0]:{form}}, {bounds[1]:{form}}]"
    return [f"{figure['value']:{form}}", interval]
