"""Which bytes a request wants, and whether it wants any: RFC 9110, sections 13 and 14."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime
from typing import Final, Literal

_INT_RANGE: Final = re.compile(r"([0-9]{1,1000})-([0-9]{1,1000})?", re.ASCII)
_SUFFIX_RANGE: Final = re.compile(r"-([0-9]{1,1000})", re.ASCII)
_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells one state of a representation from another.

    Attributes:
        etag: a strong entity tag, with its quotes.
        modified_s: when it was last modified, in seconds since 1970.
    """

    etag: str
    modified_s: int

    @property
    def last_modified(self) -> str:
        """The value of Last-Modified."""
        return formatdate(self.modified_s, usegmt=True)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `start` up to but without `end`, of `size`."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        """The value of Content-Range."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


class Unsatisfiable(Exception):  # noqa: N818 - an answer, not an error of the program
    """The range is well written, and begins behind the last byte: 416."""


def condition(
    headers: Mapping[str, str], now: Validators, *, safe: bool = True
) -> Literal[200, 304, 412]:
    """Return how the preconditions of a request turn out, in the order of section 13.2.2.

    `headers` are looked up in lower case. `safe` is whether the method is GET or HEAD.
    """
    if (match := headers.get("if-match")) is not None:
        if match.strip() != "*" and now.etag not in _TAG.findall(match):
            return 412
    elif (
        since := _seconds(headers.get("if-unmodified-since"))
    ) is not None and now.modified_s > since:
        return 412
    if (none := headers.get("if-none-match")) is not None:
        tags = (tag.removeprefix("W/") for tag in _TAG.findall(none))
        if none.strip() == "*" or now.etag in tags:
            return 304 if safe else 412
    elif (
        safe
        and (since := _seconds(headers.get("if-modified-since"))) is not None
        and now.modified_s <= since
    ):
        return 304
    return 200


def wanted_part(headers: Mapping[str, str], now: Validators, size: int) -> Part | None:
    """Return the part that a GET asks for; None for the whole.

    A Range that is not in bytes, badly written, or of several parts counts as none, as section 14.2
    allows; so does one whose If-Range names another state. Raises Unsatisfiable.
    """
    written = headers.get("range")
    if written is None or not _is_current(headers.get("if-range"), now):
        return None
    unit, equals, ranges = written.partition("=")
    if unit.strip().lower() != "bytes" or not equals:
        return None
    parts = [part for one in ranges.split(",") if (part := one.strip(" \t"))]
    if len(parts) != 1:
        return None
    if found := _INT_RANGE.fullmatch(parts[0]):
        start, last = int(found[1]), None if found[2] is None else int(found[2])
        if last is not None and last < start:
            return None
        if start >= size:
            raise Unsatisfiable
        return Part(start, size if last is None else min(last + 1, size), size)
    if found := _SUFFIX_RANGE.fullmatch(parts[0]):
        length = int(found[1])
        if length == 0 or size == 0:
            raise Unsatisfiable
        return Part(max(0, size - length), size, size)
    return None


def _is_current(if_range: str | None, now: Validators) -> bool:
    """Whether If-Range, if there is one, names the present state: by strong comparison."""
    if if_range is None:
        return True
    value = if_range.strip()
    if value.endswith('"'):
        return value == now.etag
    return _seconds(value) == now.modified_s


def _seconds(date: str | None) -> int | None:
    """Return an HTTP date in seconds since 1970; None for what is no date."""
    if date is None:
        return None
    try:
        moment = parsedate_to_datetime(date)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
