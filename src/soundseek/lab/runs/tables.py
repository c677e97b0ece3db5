"""Files that tell of many runs: tables, text, plots; written beside their place, then renamed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".partial")
    draft.write_text(text, encoding="utf-8", newline="")
    draft.replace(path)


def write_json(path: Path, document: object) -> None:
    """One JSON object; figures that are not finite are refused."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """One line a row; None is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as Markdown has it; the first column to the left, the others to the right."""
    lines = [
        "| " + " | ".join(head) + " |",
        "| --- " + "| ---: " * (len(head) - 1) + "|",
        *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows),
    ]
    return "\n".join(lines)


def write_figure(figure: Figure, path: Path) -> None:
    """An SVG that is the same, byte for byte, whenever it is drawn from the same figures."""
    import matplotlib

    settings: Any = {"svg.hashsalt": path.name, "svg.fonttype": "none"}
    draft = path.with_name(path.name + ".partial")
    with matplotlib.rc_context(settings):
        figure.savefig(draft, format="svg", metadata={"Date": None, "Creator": None})
    draft.replace(path)
