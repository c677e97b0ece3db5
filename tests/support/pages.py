"""Reading HTML pages in tests."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_EMPTY = {"meta", "link", "br", "img", "hr", "input"}


@dataclass
class Page:
    """What a page holds; `open`: elements that are never closed, or closed out of turn."""

    tags: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    sounds: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    uses: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    text: str = ""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._seen(tag, dict(attrs))
        if tag not in _EMPTY:
            self._within.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._seen(tag, dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        if not self._within or self._within.pop() != tag:
            self.page.open.append(tag)

    def handle_data(self, data: str) -> None:
        if self._within[-1:] != ["style"]:
            self.page.text += data

    def close(self) -> None:
        super().close()
        self.page.open += self._within

    def _seen(self, tag: str, attributes: dict[str, str | None]) -> None:
        page = self.page
        page.tags.append(tag)
        if tag == "a":
            page.links.append(attributes["href"] or "")
        if tag == "audio":
            page.sounds.append(attributes["src"] or "")
        if "id" in attributes:
            page.ids.append(attributes["id"] or "")
        for value in attributes.values():
            page.uses += re.findall(r"url\(#([^)]+)\)", value or "")
        used = attributes.get("xlink:href") or ""
        if used.startswith("#"):
            page.uses.append(used[1:])


def read_page(text: str) -> Page:
    """The page, and what of it is not well-formed in `open`."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.page
