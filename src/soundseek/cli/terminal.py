"""What is printed: one way to print, and one way to write times, sizes and paths.

Results go to stdout; everything about how it went goes to stderr.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Iterable
from typing import IO

import click


def say(text: str = "", *, err: bool = False, end: str = "\n") -> None:
    """Print a line; characters that the stream cannot encode appear as escapes.

    A stderr that cannot be written changes nothing about the result: it is left alone from then
    on. For a stdout it is an OSError.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is None:
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    encodable = text.encode(encoding, "backslashreplace").decode(encoding)
    try:
        click.echo(encodable + end, file=stream, nl=False, color=_colours())
    except OSError:
        if not err:
            raise
        discard(stream)


def discard(stream: IO[str]) -> None:
    """Send what is left in a stream nowhere, so that flushing it at exit cannot fail again."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        descriptor = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def _colours() -> bool | None:
    """False where the user wants none; None lets click ask whether it is a terminal."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return None


def say_json(document: object) -> None:
    """Print one JSON object; bytes of a path that are no text become escapes like \\udcff."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    # A backslash escape by `say` is valid JSON only for the surrogates that UTF-8 cannot encode.
    say(json.dumps(document, ensure_ascii=encoding != "utf8", indent=2, allow_nan=False))


def say_bytes(parts: Iterable[bytes]) -> None:
    """Write bytes to stdout as they are: for paths that other programs read."""
    sys.stdout.flush()
    for part in parts:
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


def faint(text: str) -> str:
    """Text of less importance."""
    return click.style(text, dim=True)


def strong(text: str) -> str:
    """Text of more importance."""
    return click.style(text, bold=True)


def command(text: str) -> str:
    """Text that can be typed."""
    return click.style(text, fg="cyan")


def shown_path(path: str | os.PathLike[str]) -> str:
    """Return a path for people: from the current folder if it is below, control
    characters as escapes so that no file name can steer the terminal."""
    text = os.fspath(path)
    try:
        relative = os.path.relpath(text)
    except (ValueError, OSError):  # another drive on Windows; the current folder is gone
        relative = text
    shortest = text if relative.startswith(os.pardir) else min(text, relative, key=len)
    return shown_text(shortest)


def shown_text(text: str) -> str:
    """Return a text of unknown origin for people: control characters as escapes."""
    return "".join(
        char if char.isprintable() or _is_surrogate(char) else ascii(char)[1:-1] for char in text
    )


def _is_surrogate(char: str) -> bool:
    return "\udc80" <= char <= "\udcff"


def clock(seconds: float) -> str:
    """Return a place in a recording: 0:07, 12:30, 1:02:03. Fractions are cut off."""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def span(start_s: float, end_s: float) -> str:
    """Return a part of a recording: 0:12–0:15; a short one with tenths: 0:12.3–0:12.8.

    Whole seconds take in the part: the first is cut off, the last one begun counts.
    """
    if end_s - start_s >= 1:
        return f"{clock(start_s)}–{clock(math.ceil(end_s - 0.05))}"
    return f"{_tenths(start_s)}–{_tenths(end_s)}"


def _tenths(seconds: float) -> str:
    tenths = int(seconds * 10 + 0.5)
    return f"{clock(tenths // 10)}.{tenths % 10}"


def length(seconds: float) -> str:
    """Return how long something lasts: 0.3 s, 42 s, 3:20, 1:02:03."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 59.5 else clock(round(seconds))


def amount_of_sound(seconds: float) -> str:
    """Return an amount of audio: 12 s, 4.5 min, 2.1 h."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:,.1f} h"


def size(n_bytes: int) -> str:
    """Return a size on disk: 812 B, 4.1 kB, 2.3 MB."""
    value = float(n_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """Return a number with its noun: 1 file, 1,203 files."""
    noun = singular if number == 1 else plural or f"{singular}s"
    return f"{number:,} {noun}"
