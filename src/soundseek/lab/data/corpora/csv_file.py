"""Any CSV of files and captions: one row a clip, or one row a caption."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from soundseek.errors import DataError
from soundseek.lab.data.grouping import by_shared_captions
from soundseek.lab.data.ids import freesound_id
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.tables import read_table

_FILE_COLUMNS = ("file_name", "filename", "file", "path", "audio", "fname", "wav")
_CAPTION_COLUMN = re.compile(r"(caption|text|description)(_\d+)?")


def read(
    root: Path,
    *,
    table: str = "",
    audio_folder: str = "",
    file_column: str = "",
    caption_column: str = "",
    split_column: str = "split",
    freesound_column: str = "freesound_id",
    duration_column: str = "duration_s",
    licence_column: str = "licence",
    tags_column: str = "tags",
    split: str = "train",
    source: str = "",
    licence: str = "not stated",
) -> list[Clip]:
    """`root` is the CSV, or a folder that holds it as `table` (or as its only .csv file).

    The sound is `file_column` (file_name, filename, file, path, audio, fname or wav) below
    `audio_folder` (by default beside the CSV). Captions are `caption_column`, or all columns called
    caption, text or description, plain or with _1, _2 … Rows of one file in one split are one clip.
    The other columns are used where the CSV has them (`tags_column` split at ";"). Ids are
    `{source}/{split}/{file}`, `source` by default the CSV's name.
    """
    path = _table(root, table)
    rows = read_table(path)
    if not rows:
        raise DataError(f"{path} has no rows")
    columns = list(rows[0])
    file_name = _column(path, columns, [file_column] if file_column else _FILE_COLUMNS)
    texts = (
        [_column(path, columns, [caption_column])]
        if caption_column
        else [name for name in columns if _CAPTION_COLUMN.fullmatch(name)]
    )
    if not texts:
        raise DataError(f"{path} has no caption column", remedy="name it with caption_column=NAME")
    source = source or path.stem
    folder = (path.parent / audio_folder) if audio_folder else path.parent
    gathered: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows:
        gathered.setdefault((row.get(split_column) or split, row[file_name]), []).append(row)
    return by_shared_captions(
        [
            Clip(
                id=f"{source}/{own_split}/{name}",
                path=str(folder / name),
                duration_s=_seconds(path, own[0].get(duration_column)),
                captions=tuple(
                    dict.fromkeys(
                        text for row in own for column in texts if (text := row[column].strip())
                    )
                ),
                tags=tuple(t for t in own[0].get(tags_column, "").split(";") if t),
                source=source,
                split=own_split,
                freesound_id=freesound_id(own[0].get(freesound_column)),
                licence=own[0].get(licence_column) or licence,
                group=f"{source}/{own_split}/{name}",
            )
            for (own_split, name), own in gathered.items()
        ]
    )


def _table(root: Path, table: str) -> Path:
    if root.is_file():
        return root
    if table:
        return root / table
    found = sorted(root.glob("*.csv"))
    if len(found) != 1:
        raise DataError(
            f"{root} holds {len(found)} .csv files", remedy="name one of them with table=NAME"
        )
    return found[0]


def _column(path: Path, columns: Sequence[str], wanted: Sequence[str]) -> str:
    for name in wanted:
        if name in columns:
            return name
    raise DataError(
        f"{path} has no column {' or '.join(wanted)}", remedy=f"it has {', '.join(columns)}"
    )


def _seconds(path: Path, value: str | None) -> float:
    try:
        return float(value) if value else 0.0
    except ValueError as error:
        raise DataError(f"{path}: a duration of {value!r}", remedy="give seconds") from error
