"""LAION-Audio-630K in its processed form (LAION-AI/audio-dataset, data_preprocess/README.md).

`{data set}/{train|valid|test}/{number}.flac` with `{number}.json` beside it, which holds `text` (a
caption or a list), `tag` (a list) and `original_data`. Packed as webdataset, the same pairs stand
in .tar files, which have to be unpacked first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from soundseek.errors import DataError
from soundseek.lab.data.grouping import by_shared_captions
from soundseek.lab.data.ids import freesound_id
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.sounding import SoundIndex
from soundseek.lab.data.tables import read_json

_SPLITS = {
    "train": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "test": "test",
    "eval": "test",
}
# Data sets whose clips are Freesound's, and under which name they keep its number.
_FREESOUND = ("freesound", "fsd50k", "esc50", "urbansound8k", "clotho")
_FREESOUND_KEYS = ("freesound_id", "id", "fname", "fsID", "sound_id")


def read(root: Path) -> list[Clip]:
    """Every pair below `root`. The split is the nearest folder that is called like one, or train.

    Ids are `laion630k/{path below root, without ending}`. Texts that are empty are left out. Where
    the data set's folder is one of Freesound's clips, their number is taken from `original_data`.
    """
    tables = sorted(path for path in root.rglob("*.json") if path.name != "sizes.json")
    if not tables:
        packed = next(root.rglob("*.tar"), None)
        raise DataError(
            f"{root} has no .json files",
            remedy=f"unpack the .tar files first, such as {packed}" if packed else None,
        )
    sounds: dict[Path, SoundIndex] = {}
    clips = []
    for table in tables:
        if table.parent not in sounds:
            sounds[table.parent] = SoundIndex(table.parent)
        clips.append(_clip(root, table, sounds[table.parent]))
    return by_shared_captions(clips)


def _clip(root: Path, table: Path, sounds: SoundIndex) -> Clip:
    document = read_json(table)
    if not isinstance(document, dict) or "text" not in document:
        raise DataError(f"{table} has no text", remedy='expected {"text": …, "tag": […]}')
    place = table.relative_to(root)
    texts = document["text"]
    original = document.get("original_data")
    facts: dict[str, Any] = original if isinstance(original, dict) else {}
    folders = [folder.lower() for folder in place.parts[:-1]]
    name = f"laion630k/{place.with_suffix('').as_posix()}"
    return Clip(
        id=name,
        path=sounds.path(f"{table.stem}.flac"),
        duration_s=0.0,
        captions=tuple(
            text
            for item in (texts if isinstance(texts, list) else [texts])
            if (text := str(item or "").strip())
        ),
        tags=tuple(str(tag) for tag in document.get("tag") or ()),
        source="/".join(["laion630k", *folders[:1]]),
        split=next((_SPLITS[folder] for folder in reversed(folders) if folder in _SPLITS), "train"),
        freesound_id=_freesound(root.name.lower(), folders, facts),
        licence=str(facts.get("license") or facts.get("licence") or "not stated"),
        group=name,
        author=facts.get("uploader") or facts.get("username"),
        origin=facts.get("url"),
    )


def _freesound(root: str, folders: list[str], facts: dict[str, Any]) -> str | None:
    if any(folder.startswith(_FREESOUND) for folder in (root, *folders)):
        found = (freesound_id(facts.get(key)) for key in _FREESOUND_KEYS)
        return next((name for name in found if name is not None and name.isdigit()), None)
    return freesound_id(facts.get("freesound_id"))
