"""WavCaps (Mei et al., TASLP 2024): four parts, one JSON each.

As published: `json_files/{FreeSound/fsd_final, BBC_Sound_Effects/bbc_final, SoundBible/sb_final,
AudioSet_SL/as_final}.json`, and the unpacked sounds as `{part}_flac/{id}.flac`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from soundseek.errors import DataError
from soundseek.lab.choices import chosen
from soundseek.lab.data.grouping import by_shared_captions
from soundseek.lab.data.ids import freesound_id, without_sound_suffix, youtube_id
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.sounding import SoundIndex
from soundseek.lab.data.tables import read_json


class Part(NamedTuple):
    """Folder of a part's JSON and sounds, and the JSON's name."""

    folder: str
    table: str


PARTS = {
    "freesound": Part("FreeSound", "fsd_final.json"),
    "bbc": Part("BBC_Sound_Effects", "bbc_final.json"),
    "soundbible": Part("SoundBible", "sb_final.json"),
    "audioset_sl": Part("AudioSet_SL", "as_final.json"),
}
_JSON_FOLDERS = ("json_files", "Json", "json", "")
_SOUND_FOLDERS = ("", "audio", "waveforms", "Audio", "data/waveforms")


def read(root: Path, *, parts: str = "") -> list[Clip]:
    """`parts`: some of freesound, bbc, soundbible and audioset_sl, joined by commas; by default
    those whose JSON is there. All clips are for training; ids are `wavcaps/{part}/{id}`.
    """
    names = [name.strip() for name in parts.split(",")] if parts else list(PARTS)
    clips: list[Clip] = []
    for name in names:
        part = chosen(PARTS, name, "part of WavCaps")
        table = _table(root, name, part)
        if table is not None:
            clips += _clips(root, name, part, table)
        elif parts:
            raise DataError(
                f"{root} has no WavCaps part {name}",
                remedy=f"expected json_files/{part.folder}/{part.table}",
            )
    if not clips:
        raise DataError(
            f"{root} has no part of WavCaps", remedy="expected json_files/FreeSound/fsd_final.json"
        )
    return by_shared_captions(clips)


def _table(root: Path, name: str, part: Part) -> Path | None:
    places = [
        *(root / folder / part.folder / part.table for folder in _JSON_FOLDERS),
        *(root / folder / part.table for folder in _JSON_FOLDERS),
        root / f"wavcaps_{name}.json",
    ]
    return next((place for place in places if place.is_file()), None)


def _clips(root: Path, name: str, part: Part, table: Path) -> list[Clip]:
    document = read_json(table)
    if not isinstance(document, dict) or not isinstance(document.get("data"), list):
        raise DataError(f"{table} is no WavCaps table", remedy='it must hold a list called "data"')
    sounds = SoundIndex(
        *(
            root / place / folder
            for place in _SOUND_FOLDERS
            for folder in (f"{part.folder}_flac", part.folder)
        )
    )
    return [_clip(row, name, table, sounds) for row in document["data"]]


def _clip(row: dict[str, Any], part: str, table: Path, sounds: SoundIndex) -> Clip:
    try:
        own, caption = str(row["id"]), row["caption"].strip()
        duration_s = float(row.get("duration") or 0.0)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{table}: a row is not as WavCaps has it ({error!r}): {row}") from error
    stem = without_sound_suffix(own)
    link = row.get("href") or row.get("download_link")
    return Clip(
        id=f"wavcaps/{part}/{stem}",
        path=sounds.path(f"{stem}.flac"),
        duration_s=duration_s,
        captions=(caption,) if caption else (),
        tags=tuple(row.get("tags") or ()),
        source=f"wavcaps/{part}",
        split="train",
        freesound_id=freesound_id(own) if part == "freesound" else None,
        licence="academic use only",
        group=f"wavcaps/{part}/{stem}",
        author=row.get("author"),
        origin=link,
        youtube_id=youtube_id(own) if part == "audioset_sl" else None,
    )
