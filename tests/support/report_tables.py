"""Reading the tables of a report in tests."""

from __future__ import annotations

from pathlib import Path


def tables(report: Path) -> dict[str, dict[str, list[str]]]:
    """Heading → first cell → the other cells of a report's tables."""
    found: dict[str, dict[str, list[str]]] = {}
    heading = ""
    for line in report.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("| ") and not line.startswith("| ---"):
            first, *cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            found.setdefault(heading, {})[first] = cells
    return found
