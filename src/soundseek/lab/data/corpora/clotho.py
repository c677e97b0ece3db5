"""Clotho v2.1 (Drossos et al., ICASSP 2020; Zenodo 4783391).

As published: `clotho_captions_{split}.csv`, `clotho_metadata_{split}.csv`, and the sounds in
`development/`, `validation/` and `evaluation/`. Splits hold 3839, 1045 and 1045 clips.
"""

from __future__ import annotations

from pathlib import Path

from soundseek.errors import DataError
from soundseek.lab.data.grouping import by_shared_captions
from soundseek.lab.data.ids import freesound_id
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.sounding import SoundIndex
from soundseek.lab.data.tables import first_existing, read_table

SPLITS = {"development": "train", "validation": "validation", "evaluation": "test"}
CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))
_TABLE_FOLDERS = ("", "clotho_csv_files/", "csv/")


def read(root: Path, *, metadata: str = "", splits: str = "") -> list[Clip]:
    """`metadata`: folder of the metadata tables where it is not `root`, or "none" to do without
    (no Freesound ids then, so that nothing can be excluded by them). `splits`: names of the corpus'
    own splits, joined by commas; by default those whose captions are there.

    A clip's id is `clotho/{split}/{file name}`: four file names stand in two splits. Nineteen clips
    have no Freesound id ("Not found").
    """
    wanted = [name.strip() for name in splits.split(",")] if splits else _splits_there(root)
    unknown = [name for name in wanted if name not in SPLITS]
    if unknown:
        raise DataError(f"Clotho has no split {unknown[0]!r}", remedy=f"use {', '.join(SPLITS)}")
    clips: list[Clip] = []
    for split in wanted:
        clips += _clips(root, split, metadata)
    return by_shared_captions(clips)


def _splits_there(root: Path) -> list[str]:
    there = [
        split
        for split in SPLITS
        if any((root / f"{place}clotho_captions_{split}.csv").is_file() for place in _TABLE_FOLDERS)
    ]
    if not there:
        raise DataError(
            f"{root} has no Clotho captions", remedy="expected clotho_captions_development.csv"
        )
    return there


def _clips(root: Path, split: str, metadata: str) -> list[Clip]:
    names = [f"{place}clotho_captions_{split}.csv" for place in _TABLE_FOLDERS]
    captions = first_existing(root, names, f"captions of Clotho {split}")
    facts = _facts(root, split, metadata)
    sounds = SoundIndex(root / split, root / "clotho_audio_files" / split)
    clips = []
    for row in read_table(captions, ("file_name", *CAPTIONS)):
        name = row["file_name"]
        known = facts.get(name, {})
        clips.append(
            Clip(
                id=f"clotho/{split}/{name}",
                path=sounds.path(name),
                duration_s=0.0,
                captions=tuple(text for column in CAPTIONS if (text := row[column].strip())),
                tags=tuple(word for word in known.get("keywords", "").split(";") if word),
                source="clotho",
                split=SPLITS[split],
                freesound_id=freesound_id(known.get("sound_id")),
                licence=known.get("license", "").strip() or "not stated",
                group=f"clotho/{split}/{name}",
                author=known.get("manufacturer") or None,
                origin=known.get("sound_link") or None,
            )
        )
    return clips


def _facts(root: Path, split: str, metadata: str) -> dict[str, dict[str, str]]:
    if metadata == "none":
        return {}
    folder = Path(metadata) if metadata else root
    names = [
        f"{place}{name}.csv"
        for place in _TABLE_FOLDERS
        for name in (f"clotho_metadata_{split}", f"clotho_{split}_metadata")
    ]
    try:
        table = first_existing(folder, names, f"metadata of Clotho {split}")
    except DataError as error:
        raise DataError(
            error.message,
            remedy=f"{error.remedy}; or give metadata=FOLDER, "
            "or metadata=none to do without Freesound ids and licences",
        ) from None
    return {row["file_name"]: row for row in read_table(table, ("file_name", "sound_id"))}
