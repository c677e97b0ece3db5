"""One HTTP transfer that goes on where the last one broke off."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from soundseek import __version__
from soundseek.errors import DataError

OnBytes = Callable[[int, int | None], None]
"""Called with the bytes that are there and those there will be, None if the server is silent."""

_BLOCK_BYTES = 1 << 18
_RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_UNSATISFIED = re.compile(r"bytes \*/(\d+)")


class Interrupted(Exception):  # noqa: N818 - no error yet: the next attempt may succeed
    """A transfer that may succeed when it is tried again; the message is its short reason."""


def transfer(url: str, partial: Path, *, timeout_s: float, on_bytes: OnBytes | None = None) -> None:
    """Bring `partial` to all of `url`, beginning at what it already holds.

    What is there is kept only where the server still has the same file (by ETag or date, noted in
    `{partial}.json`); else it begins anew. Raises `Interrupted` when the connection fails or ends
    early (what came stays in `partial`), and `DataError` when the server refuses.
    """
    if not url.startswith(("https://", "http://")):
        raise DataError(f"{url} is no web address", remedy="give one with https://")
    note = partial.with_name(partial.name + ".json")
    known = _noted(note, url)
    have = partial.stat().st_size if known is not None and partial.is_file() else 0
    headers = {"User-Agent": f"soundseek/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response = urlopen(Request(url, headers=headers), timeout=timeout_s)
    except HTTPError as error:
        with error:
            _judge_refusal(error, url, partial, have)
        return
    except (URLError, OSError, http.client.HTTPException) as error:
        raise Interrupted(str(getattr(error, "reason", error))) from error
    with response:
        start, total = _place(response)
        validator = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if start and (start != have or validator != known):
            partial.unlink()
            raise Interrupted("the file changed on the server")
        note.write_text(json.dumps({"url": url, "validator": validator}), encoding="utf-8")
        _copy(response, partial, start, total, on_bytes)


def _noted(note: Path, url: str) -> str | None:
    """What marks the version of the file that a partial one is of, where that is known."""
    try:
        written = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    validator = written.get("validator") if written.get("url") == url else None
    return validator if isinstance(validator, str) else None


def _judge_refusal(error: HTTPError, url: str, partial: Path, have: int) -> None:
    """Return if the refusal means that all is there; raise what it means otherwise."""
    if error.code == 416:
        beyond = _UNSATISFIED.fullmatch(error.headers.get("Content-Range", ""))
        if beyond is not None and int(beyond[1]) == have:
            return
        partial.unlink(missing_ok=True)
        raise Interrupted("the file became shorter on the server")
    if error.code in _RETRY_STATUS:
        raise Interrupted(f"HTTP {error.code} {error.reason}")
    raise DataError(f"{url}: HTTP {error.code} {error.reason}")


def _place(response: Any) -> tuple[int, int | None]:
    """The first byte that comes, and how many the whole file has."""
    if response.status == 206:
        match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None:
            raise Interrupted("the server sent a part and did not say which")
        return int(match[1]), None if match[2] == "*" else int(match[2])
    length = response.headers.get("Content-Length")
    return 0, None if length is None else int(length)


def _copy(
    response: Any, partial: Path, start: int, total: int | None, on_bytes: OnBytes | None
) -> None:
    done = start
    with partial.open("ab" if start else "wb") as file:
        while True:
            try:
                block = response.read(_BLOCK_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise Interrupted(f"{error} after {done:,} bytes") from error
            if not block:
                break
            file.write(block)
            done += len(block)
            if on_bytes is not None:
                on_bytes(done, total)
    if total is not None and done < total:
        raise Interrupted(f"the connection ended after {done:,} of {total:,} bytes")
