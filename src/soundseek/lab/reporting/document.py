"""A report as what it is made of; `markdown` and `page` write it down."""

from __future__ import annotations

import re
from dataclasses import dataclass

# HTML allows no control characters, and UTF-8 no half of a pair.
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class Code:
    """Names, paths, commands."""

    text: str


@dataclass(frozen=True)
class Link:
    """`href`: an address, its special characters escaped."""

    text: str
    href: str


@dataclass(frozen=True)
class Strong:
    """What must not be missed."""

    text: str


Inline = str | Code | Link | Strong
Text = Inline | tuple[Inline, ...]


@dataclass(frozen=True)
class Heading:
    """`level` from 1."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: Text


@dataclass(frozen=True)
class Listing:
    """Items of a list."""

    items: tuple[Text, ...]


@dataclass(frozen=True)
class Table:
    """`align`: one letter a column, l or r."""

    head: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]
    align: str


@dataclass(frozen=True)
class Plot:
    """An SVG: its file's address, its text, and a sentence for those who do not see it."""

    href: str
    svg: str
    caption: str


Block = Heading | Paragraph | Listing | Table | Plot


def inlines(text: Text) -> tuple[Inline, ...]:
    """`text` as its parts."""
    return text if isinstance(text, tuple) else (text,)


def printable(text: str) -> str:
    """`text` with � for what no file of text may hold."""
    return _UNWRITABLE.sub("\ufffd", text)
