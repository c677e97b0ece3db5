"""UrbanSound8K (Salamon et al., ACM MM 2014; Zenodo 1203745): ten city classes in ten folds.

As published: `metadata/UrbanSound8K.csv` and the sounds in `audio/fold{n}/`.
"""

from __future__ import annotations

from pathlib import Path

from soundseek.errors import DataError
from soundseek.lab.data.corpora.folds import phrase_captions, split_of
from soundseek.lab.data.ids import freesound_id
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.tables import first_existing, read_table

PHRASES = {
    "air_conditioner": "an air conditioner humming",
    "car_horn": "a car horn honking",
    "children_playing": "children playing",
    "dog_bark": "a dog barking",
    "drilling": "drilling",
    "engine_idling": "an engine idling",
    "gun_shot": "a gun shot",
    "jackhammer": "a jackhammer",
    "siren": "a siren wailing",
    "street_music": "street music",
}


def read(root: Path, *, validation_fold: int = 2, test_fold: int = 10) -> list[Clip]:
    """All excerpts, with ids `urbansound8k/fold{n}/{file}`. Clips of a class in one split are one
    group. Excerpts of one Freesound recording always lie in one fold."""
    names = ("metadata/UrbanSound8K.csv", "UrbanSound8K.csv")
    table = first_existing(root, names, "table of UrbanSound8K")
    clips = []
    for row in read_table(table, ("slice_file_name", "fsID", "fold", "class")):
        name, fold, label = row["slice_file_name"], row["fold"], row["class"]
        if label not in PHRASES:
            raise DataError(f"{table}: {name} is of an unknown class {label!r}")
        split = split_of(fold, validation_fold, test_fold)
        clips.append(
            Clip(
                id=f"urbansound8k/fold{fold}/{name}",
                path=str(root / "audio" / f"fold{fold}" / name),
                duration_s=0.0,
                captions=phrase_captions(PHRASES[label]),
                source="urbansound8k",
                split=split,
                freesound_id=freesound_id(row["fsID"]),
                licence="CC BY-NC 3.0",
                group=f"urbansound8k/{split}/{label}",
                label=label,
                caption_quality=1,
                origin=f"https://freesound.org/s/{row['fsID']}/",
            )
        )
    return clips
