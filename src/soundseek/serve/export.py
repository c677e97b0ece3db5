"""A list of clips to take away: a table, a playlist, or a ZIP with the sounds themselves."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from soundseek.serve.finding import shown
from soundseek.serve.problems import Problem
from soundseek.serve.stored_files import StoredFile, opened

COLUMNS: Final = (
    "id",
    "name",
    "path",
    "duration_s",
    "format",
    "sample_rate",
    "channels",
    "tags",
    "caption",
    "attribution",
    "licence",
    "sha256",
)
_BLOCK: Final = 1 << 18
_LARGE: Final = 1 << 31
# What no file system takes, or takes for something else than a name.
_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\ud800-\udfff]')


@dataclass(frozen=True, slots=True)
class Exported:
    """A clip to hand out, and what is known of it beside its file."""

    file: StoredFile
    caption: str | None
    attribution: str | None
    licence: str | None


def as_csv(clips: Sequence[Exported], more: Sequence[dict[str, str]] | None = None) -> bytes:
    """Return a table, UTF-8; `more` has further columns for each clip."""
    further = list(more[0]) if more else []
    text = io.StringIO()
    writer = csv.DictWriter(text, [*further, *COLUMNS], lineterminator="\n")
    writer.writeheader()
    for place, clip in enumerate(clips):
        file = clip.file
        writer.writerow(
            {
                **(more[place] if more else {}),
                "id": file.id,
                "name": shown(file.name),
                "path": shown(file.path),
                "duration_s": f"{file.duration_s:.3f}",
                "format": file.format,
                "sample_rate": file.sample_rate,
                "channels": file.channels,
                "tags": shown(",".join(file.tags)),
                "caption": clip.caption,
                "attribution": clip.attribution,
                "licence": clip.licence,
                "sha256": file.content_hash,
            }
        )
    return text.getvalue().encode()


def as_m3u(clips: Sequence[Exported]) -> bytes:
    """Return a playlist with absolute paths, as the file system has them."""
    lines = [b"#EXTM3U\n"]
    for clip in clips:
        file = clip.file
        name = " ".join(file.name.split())
        # A line break would end the entry: as an address it is escaped.
        has_break = "\n" in file.path or "\r" in file.path
        place = Path(file.path).as_uri() if has_break else file.path
        lines.append(os.fsencode(f"#EXTINF:{round(file.duration_s)},{name}\n"))
        lines.append(os.fsencode(place) + b"\n")
    return b"".join(lines)


def check_zip_size(clips: Sequence[Exported], limit: int) -> None:
    """Raise Problem 413 if the sounds are larger together than `limit` bytes."""
    total = sum(clip.file.size for clip in clips)
    if total > limit:
        raise Problem(
            413,
            f"the {len(clips):,} sounds have {total:,} bytes, {limit:,} are the limit",
            remedy="export fewer at once, or a playlist",
        )


def zipped(clips: Sequence[Exported]) -> Iterator[bytes]:
    """Yield a ZIP: the sounds, list.csv, ATTRIBUTION.txt; a block of a file in memory at a time.

    A sound that is gone or has changed since it was indexed is left out, and the list says so.
    """
    names = entry_names([clip.file for clip in clips])
    outcomes: list[dict[str, str]] = []
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_STORED) as archive:
        for clip, name in zip(clips, names, strict=True):
            with ExitStack() as stack:
                try:
                    source = stack.enter_context(opened(clip.file))
                except Problem as problem:
                    outcomes.append({"file": "", "problem": problem.detail})
                    continue
                yield from _stored(archive, sink, source, name, clip.file)
            outcomes.append({"file": name, "problem": ""})
        archive.writestr("list.csv", as_csv(clips, outcomes), ZIP_DEFLATED)
        archive.writestr("ATTRIBUTION.txt", attribution_text(clips, names).encode(), ZIP_DEFLATED)
    yield sink.taken()


def attribution_text(clips: Sequence[Exported], names: Sequence[str]) -> str:
    """Return whom to name for which file, as far as the files say."""
    lines = ["Whom to name for these sounds, as far as the files themselves say.", ""]
    for clip, name in zip(clips, names, strict=True):
        lines.append(name)
        lines.append(f"    attribution: {clip.attribution or 'not known'}")
        lines.append(f"    licence: {clip.licence or 'not known'}")
    return "\n".join(lines) + "\n"


def entry_names(files: Sequence[StoredFile]) -> list[str]:
    """Return a name for each file that any system can unpack, all different whatever their case."""
    taken = {"list.csv", "attribution.txt"}
    names = []
    for file in files:
        safe = PurePath(_UNSAFE.sub("_", file.name).strip(" .") or "sound")
        name, number = safe.name, 1
        while name.lower() in taken:
            number += 1
            name = f"{safe.stem} ({number}){safe.suffix}"
        taken.add(name.lower())
        names.append(name)
    return names


def _stored(
    archive: ZipFile, sink: _Sink, source: BinaryIO, name: str, file: StoredFile
) -> Iterator[bytes]:
    entry = ZipInfo(name)
    entry.compress_type = ZIP_STORED
    entry.external_attr = 0o644 << 16
    with archive.open(entry, "w", force_zip64=file.size > _LARGE) as target:
        left = file.size  # what is written to the file meanwhile is not part of it
        while left > 0 and (block := source.read(min(_BLOCK, left))):
            target.write(block)
            left -= len(block)
            yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """What is written and can be taken away: no ZIP is ever whole in memory."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(data)  # type: ignore[call-overload]
        self._parts.append(part)
        return len(part)

    def taken(self) -> bytes:
        """Return what has been written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
