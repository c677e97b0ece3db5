"""A report as Markdown (GitHub's)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from soundseek.lab.reporting.document import (
    Block,
    Code,
    Heading,
    Inline,
    Link,
    Listing,
    Paragraph,
    Plot,
    Strong,
    Table,
    Text,
    inlines,
    printable,
)

# Within a word an underscore is itself.
_SPECIAL = re.compile(r"([\\`*\[\]<>|~#&$]|(?<!\w)_|_(?!\w))")
_SPACES = re.compile(r"\s+")


def as_markdown(blocks: Iterable[Block]) -> str:
    """The text of the file."""
    return "\n\n".join(_block(block) for block in blocks) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_plain(text)}"
        case Paragraph(text):
            return _text(text)
        case Listing(items):
            return "\n".join(f"- {_text(item)}" for item in items)
        case Table(head, rows, align):
            rule = tuple("---:" if side == "r" else "---" for side in align)
            return "\n".join([_cells(head), f"| {' | '.join(rule)} |", *map(_cells, rows)])
        case Plot(href, _, caption):
            return f"![{_plain(caption)}]({href})"


def _cells(row: Iterable[Text]) -> str:
    return "| " + " | ".join(_text(cell) for cell in row) + " |"


def _text(text: Text) -> str:
    return "".join(_inline(part) for part in inlines(text))


def _inline(part: Inline) -> str:
    match part:
        case Code(text):
            return _code(text)
        case Link(text, href):
            return f"[{_plain(text)}]({href})"
        case Strong(text):
            return f"**{_plain(text)}**"
        case str():
            return _plain(part)


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", _SPACES.sub(" ", printable(text)))


def _code(text: str) -> str:
    """A code span: behind more backticks than it has; a pipe would end the cell of a table."""
    shown = _SPACES.sub(" ", printable(text)).replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{shown}{space}{fence}"
