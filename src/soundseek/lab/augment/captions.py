"""Captions that somebody else wrote, such as a language model: read, and given to their clips.

Two ways to use them: as rows, where a clip's extra captions stand beside its own and each is a
training item of its own (`merge_captions`), or in exchange, where an item's caption gives way
to an extra one of its clip with a probability (`TextAugment.p_extra`).
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from soundseek.errors import DataError
from soundseek.lab.data.manifest import Clip

Key = Literal["id", "file_name"]
_CAPTION = re.compile(r"captions?(_\d+)?")


@dataclass(frozen=True)
class ExtraCaptions:
    """Captions by clip: `key` says whether clips are named by id or by file name."""

    key: Key
    captions: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class ExtraReport:
    """What became of the extra captions.

    Attributes:
        added: how many there are now.
        repeated: how many their clips had already.
        unknown: names that no clip has.
        ambiguous: file names that several clips have; nobody got their captions.
    """

    added: int
    repeated: int
    unknown: tuple[str, ...]
    ambiguous: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"{self.added} captions added", f"{self.repeated} were there already"]
        if self.unknown:
            parts.append(f"{len(self.unknown)} names that no clip has, such as {self.unknown[0]}")
        if self.ambiguous:
            parts.append(
                f"{len(self.ambiguous)} names of several clips, such as {self.ambiguous[0]}"
            )
        return ", ".join(parts)


def read_extra_captions(path: str | Path) -> ExtraCaptions:
    """Read a CSV or JSONL file of clips and captions.

    A row names its clip as `id` or `file_name` and has `caption` or `caption_1 … caption_n`; in
    JSONL `captions` may be a list. A clip may have several rows. Names are strings, also where they
    look like numbers. Raises `DataError` with the line for a row that has neither name nor caption,
    for files that mix both names, and for a missing file.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no captions at {path}", remedy="check augment.captions")
    keys: set[Key] = set()
    captions: dict[str, dict[str, None]] = {}
    for number, row in _rows(path):
        key: Key = "id" if row.get("id") not in (None, "") else "file_name"
        name = row.get(key)
        texts = [
            text for column in row if _CAPTION.fullmatch(column) for text in _texts(row[column])
        ]
        if name in (None, "") or not texts:
            what = "a clip (id or file_name)" if name in (None, "") else "a caption"
            raise DataError(f"{path} line {number} does not name {what}")
        keys.add(key)
        captions.setdefault(str(name), {}).update(dict.fromkeys(texts))
    if len(keys) > 1:
        raise DataError(f"{path} names some clips by id and some by file_name", remedy="use one")
    if not keys:
        raise DataError(f"{path} holds no captions")
    return ExtraCaptions(keys.pop(), {name: tuple(texts) for name, texts in captions.items()})


def for_clips(
    clips: Sequence[Clip], extra: ExtraCaptions
) -> tuple[dict[str, tuple[str, ...]], ExtraReport]:
    """Extra captions by clip id, without those that a clip has itself, and what became of all.

    Give the clips of one split: extra captions are for training, and file names may occur in
    several splits.
    """
    names = [_name(clip, extra.key) for clip in clips]
    times = Counter(names)
    found: dict[str, tuple[str, ...]] = {}
    repeated = 0
    for clip, name in zip(clips, names, strict=True):
        if times[name] == 1 and name in extra.captions:
            fresh = tuple(text for text in extra.captions[name] if text not in clip.captions)
            repeated += len(extra.captions[name]) - len(fresh)
            if fresh:
                found[clip.id] = fresh
    return found, ExtraReport(
        added=sum(map(len, found.values())),
        repeated=repeated,
        unknown=tuple(sorted(name for name in extra.captions if times[name] == 0)),
        ambiguous=tuple(sorted(name for name in extra.captions if times[name] > 1)),
    )


def merge_captions(clips: Sequence[Clip], extra: ExtraCaptions) -> tuple[list[Clip], ExtraReport]:
    """The clips with extra captions behind their own, in their order, and what became of all."""
    found, report = for_clips(clips, extra)
    return [
        replace(clip, captions=(*clip.captions, *found.get(clip.id, ()))) for clip in clips
    ], report


def _name(clip: Clip, key: Key) -> str:
    return clip.id if key == "id" else PurePosixPath(clip.path.replace("\\", "/")).name


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text.strip() for text in values if isinstance(text, str) and text.strip()]


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        if path.suffix.lower() == ".csv":
            reader = csv.DictReader(file)
            for row in reader:
                yield reader.line_num, {name: row[name] for name in row if name is not None}
            return
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                document = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path} line {number} is not JSON: {error}") from error
            if not isinstance(document, dict):
                raise DataError(f"{path} line {number} is not a JSON object")
            yield number, document
