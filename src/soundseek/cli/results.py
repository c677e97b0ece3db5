"""Hits as people and as programs read them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from soundseek.cli.terminal import (
    count,
    faint,
    length,
    say,
    say_bytes,
    say_json,
    shown_path,
    shown_text,
    span,
    strong,
)

if TYPE_CHECKING:
    from soundseek.bundle.runtime import Bundle
    from soundseek.library.hits import Hit

_WORDS_SHOWN = 5
_COLUMNS = 80

_CSV_COLUMNS = (
    "query",
    "rank",
    "score",
    "path",
    "start_s",
    "end_s",
    "duration_s",
    "format",
    "sample_rate",
    "channels",
    "tags",
    "similarity",
    "name_rank",
    "copies",
    "caption",
)


class Output(Enum):
    """What `search` prints; the value is the option that asks for it."""

    TABLE = "a table"
    JSON = "--json"
    CSV = "--csv"
    M3U = "--m3u"
    PRINT0 = "--print0"


@dataclass(frozen=True)
class Answer:
    """A query (None if it was a sound) and its hits, best first."""

    query: str | None
    hits: list[Hit]


def print_answers(
    answers: Sequence[Answer], output: Output, *, batch: bool, library_path: Path
) -> None:
    """Print the answers to a query, or with `batch` to many."""
    if output is Output.JSON:
        documents = [
            {"query": answer.query, "hits": [hit.to_dict() for hit in answer.hits]}
            for answer in answers
        ]
        say_json({"queries": documents} if batch else documents[0])
    elif output is Output.CSV:
        _print_csv(answers)
    elif output is Output.M3U:
        _print_m3u(answers)
    elif output is Output.PRINT0:
        say_bytes(os.fsencode(hit.path) + b"\0" for answer in answers for hit in answer.hits)
    else:
        _print_tables(answers, batch, library_path)


def note_unknown_words(bundle: Bundle, texts: Sequence[str]) -> None:
    """Tell on stderr which words the model cannot read: the ranking does not go by them."""
    unknown = dict.fromkeys(word for text in texts for word in bundle.unknown_words(text))
    if unknown:
        shown = ", ".join(list(unknown)[:_WORDS_SHOWN])
        say(f"note: the model cannot read: {shown}; describe the sound in English", err=True)


def hit_lines(hits: Sequence[Hit], remarks: Sequence[str] | None = None) -> list[str]:
    """Return a table of hits, its heading first; the path is last, so that it may be long.

    `remarks` has something to say behind each hit; a caption stands below it. The score that
    fuses sound and name says nothing to people, so what it is made of stands there: how well the
    sound fits, and the place among the names where any name fits.
    """
    named = any(hit.name_rank is not None for hit in hits)
    rows = [
        (
            str(hit.rank),
            f"{hit.similarity:.2f}",
            *((f"#{hit.name_rank}" if hit.name_rank is not None else "",) if named else ()),
            span(hit.start_s, hit.end_s),
            length(hit.duration_s),
            shown_path(hit.path) + _copies(hit),
        )
        for hit in hits
    ]
    heading = ("#", "sound", *(("name",) if named else ()), "where", "length", "file")
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    lines = [_row(row, widths) for row in rows]
    if remarks is not None:
        longest = max(map(len, lines), default=0)
        lines = [
            f"{line:<{longest}}  {faint(remark)}" if remark else line
            for line, remark in zip(lines, remarks, strict=True)
        ]
    indent = " " * (widths[0] + 2)
    for place in range(len(hits) - 1, -1, -1):
        if (caption := hits[place].caption) is not None:
            lines.insert(place + 1, indent + faint(_cut(shown_text(caption), len(indent))))
    return [faint(_row(heading, widths)), *lines]


def _cut(text: str, indent: int) -> str:
    room = _COLUMNS - indent
    return text if len(text) <= room else f"{text[: room - 1].rstrip()}…"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    *numbers, path = cells
    aligned = [cell.rjust(width) for cell, width in zip(numbers, widths, strict=False)]
    return "  ".join([*aligned, path])


def _copies(hit: Hit) -> str:
    return f"  (and {count(len(hit.also), 'copy', 'copies')})" if hit.also else ""


def _print_tables(answers: Sequence[Answer], batch: bool, library_path: Path) -> None:
    for number, answer in enumerate(answers):
        if batch:
            say(("\n" if number else "") + strong(answer.query or ""))
        if answer.hits:
            for line in hit_lines(answer.hits):
                say(line)
        else:
            say("no sound fits (is the library empty, or a filter too narrow?)", err=True)
    say(faint(f"library: {shown_path(library_path)}"), err=True)


def _print_csv(answers: Sequence[Answer]) -> None:
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, _CSV_COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for answer in answers:
        for hit in answer.hits:
            row = {"query": answer.query or "", **hit.to_dict(), "tags": ",".join(hit.tags)}
            writer.writerow(row | {"copies": len(hit.also)})
    # Not by `say`: it would drop what looks like a colour from the middle of a file's name.
    say_bytes([text.getvalue().encode("utf-8", "backslashreplace")])


def _print_m3u(answers: Sequence[Answer]) -> None:
    lines = [b"#EXTM3U\n"]
    for answer in answers:
        for hit in answer.hits:
            path = Path(hit.path)
            name = " ".join(path.name.split())
            # A line break would end the entry: as an address it is escaped.
            place = path.as_uri() if "\n" in hit.path or "\r" in hit.path else hit.path
            lines.append(os.fsencode(f"#EXTINF:{round(hit.duration_s)},{name}\n"))
            lines.append(f"#EXTVLCOPT:start-time={hit.start_s:.1f}\n".encode())
            lines.append(os.fsencode(place) + b"\n")
    say_bytes(lines)
