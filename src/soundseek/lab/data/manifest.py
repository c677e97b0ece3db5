"""The clip manifest: one row a clip, whatever the corpus; all that trains or evaluates reads it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from soundseek import __version__
from soundseek.errors import DataError

SPLITS = ("train", "validation", "test")
SCHEMA_VERSION = 2
_SCHEMA_KEY = "soundseek.manifest"
_SINCE_2 = {"youtube_id", "has_audio"}


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One clip. `id` is unique over corpora and splits.

    Clips of one `group` share their text: each answers every caption of the group, so they are no
    negatives of each other in training and all relevant in evaluation. `label` is the class name
    in class-labelled sources. `caption_quality` 2: the captions tell what is heard; 1: partly
    guessed; 0: they do not. `has_audio` is False in a manifest made for its texts alone: the sound
    is not at `path`, and `duration_s` is what the corpus says, or 0 where it does not.
    """

    id: str
    path: str
    start_s: float = 0.0
    duration_s: float
    sample_rate: int | None = None
    captions: tuple[str, ...]
    tags: tuple[str, ...] = ()
    source: str
    split: str
    freesound_id: str | None = None
    licence: str
    group: str
    label: str | None = None
    tier: str | None = None
    caption_quality: int = 2
    author: str | None = None
    origin: str | None = None
    youtube_id: str | None = None
    has_audio: bool = True


def read_clips_jsonl(path: str | Path) -> list[Clip]:
    """Read `clips.jsonl` (one JSON object a line, files relative to its folder).

    Raises `DataError` naming the line for broken JSON and missing keys, and naming the value for
    an unknown split or an id that occurs twice.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(
            f"no clip list at {path}",
            remedy="give the folder that holds clips.jsonl as data=FOLDER",
        )
    clips: list[Clip] = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                clips.append(_from_json(json.loads(line), path.parent))
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(f"{path} line {number}: {error!r}") from error
    return checked(clips, str(path))


def checked(clips: list[Clip], where: str) -> list[Clip]:
    """Return the clips, or raise `DataError` for doubled ids and unknown splits."""
    doubled = [name for name, n in Counter(clip.id for clip in clips).items() if n > 1]
    if doubled:
        raise DataError(f"{where}: {len(doubled)} ids occur twice, the first is {doubled[0]}")
    strange = sorted({clip.split for clip in clips} - set(SPLITS))
    if strange:
        raise DataError(f"{where}: unknown split {strange[0]!r}", remedy=f"use {', '.join(SPLITS)}")
    return clips


def select(
    clips: Iterable[Clip],
    *,
    split: str | None = None,
    tiers: Sequence[str] | None = None,
    sources: Sequence[str] | None = None,
    min_quality: int = 0,
) -> list[Clip]:
    """The clips that meet every condition given, in their order."""
    return [
        clip
        for clip in clips
        if (split is None or clip.split == split)
        and (tiers is None or clip.tier in tiers)
        and (sources is None or clip.source in sources)
        and clip.caption_quality >= min_quality
    ]


def write_parquet(clips: Sequence[Clip], path: str | Path) -> None:
    """Write the manifest as Parquet, a column a field."""
    pa, parquet = _arrow()
    names = [field.name for field in fields(Clip)]
    kinds = {
        "start_s": pa.float64(),
        "duration_s": pa.float64(),
        "sample_rate": pa.int32(),
        "captions": pa.list_(pa.string()),
        "tags": pa.list_(pa.string()),
        "caption_quality": pa.int8(),
        "has_audio": pa.bool_(),
    }
    schema = pa.schema(
        [(name, kinds.get(name, pa.string())) for name in names],
        metadata={_SCHEMA_KEY: str(SCHEMA_VERSION), "made_by": f"soundseek {__version__}"},
    )
    columns = {name: [getattr(clip, name) for clip in clips] for name in names}
    parquet.write_table(pa.table(columns, schema=schema), path)


def read_parquet(path: str | Path) -> list[Clip]:
    """Read what `write_parquet` wrote, now or in an earlier version.

    Raises `DataError` for a missing file, one that is no Parquet, missing columns, or a manifest
    of a later version.
    """
    pa, parquet = _arrow()
    if not Path(path).is_file():
        raise DataError(f"no manifest at {path}", remedy="give the path of a Parquet file")
    try:
        table = parquet.read_table(path)
    except pa.ArrowInvalid as error:
        raise DataError(f"{path} is no Parquet file: {error}") from error
    version = int((table.schema.metadata or {}).get(_SCHEMA_KEY.encode(), b"1"))
    if version > SCHEMA_VERSION:
        raise DataError(
            f"{path} has schema version {version}, this soundseek reads up to {SCHEMA_VERSION}",
            remedy="pip install --upgrade soundseek",
        )
    names = [field.name for field in fields(Clip)]
    missing = sorted(set(names) - set(table.column_names) - _SINCE_2)
    if missing:
        raise DataError(f"{path} lacks the columns {', '.join(missing)}")
    rows = table.select([name for name in names if name in table.column_names]).to_pylist()
    return checked([Clip(**_tupled(row)) for row in rows], str(path))


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise DataError(
            "manifests need pyarrow, which is not installed", remedy="pip install 'soundseek[lab]'"
        ) from error
    return pyarrow, pyarrow.parquet


def _from_json(row: dict[str, Any], folder: Path) -> Clip:
    return Clip(
        id=str(row["id"]),
        path=str(folder / row["file"]),
        duration_s=float(row["duration_s"]),
        captions=tuple(row["captions"]),
        tags=tuple(row.get("names") or ()),
        source=row["source"],
        split=row["split"],
        freesound_id=None if row.get("freesound_id") is None else str(row["freesound_id"]),
        licence=" ".join(row["licence"].split()),
        group=row["group"],
        label=row.get("label"),
        tier=row.get("tier"),
        caption_quality=int(row["caption_quality"]),
        author=row.get("author"),
        origin=row.get("source_url") or row.get("source_repo"),
    )


def _tupled(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"captions": tuple(row["captions"]), "tags": tuple(row["tags"] or ())}
