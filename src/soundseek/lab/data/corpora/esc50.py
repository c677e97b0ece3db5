"""ESC-50 (Piczak, ACM MM 2015): fifty classes in five folds.

As published: `meta/esc50.csv` and the sounds in `audio/`.
"""

from __future__ import annotations

from pathlib import Path

from soundseek.errors import DataError
from soundseek.lab.data.corpora.folds import phrase_captions, split_of
from soundseek.lab.data.ids import freesound_id
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.tables import first_existing, read_table

PHRASES = {
    "airplane": "an airplane flying",
    "breathing": "a person breathing",
    "brushing_teeth": "a person brushing teeth",
    "can_opening": "a can being opened",
    "car_horn": "a car horn honking",
    "cat": "a cat meowing",
    "chainsaw": "a chainsaw",
    "chirping_birds": "birds chirping",
    "church_bells": "church bells ringing",
    "clapping": "people clapping",
    "clock_alarm": "an alarm clock ringing",
    "clock_tick": "a clock ticking",
    "coughing": "a person coughing",
    "cow": "a cow mooing",
    "crackling_fire": "a fire crackling",
    "crickets": "crickets chirping",
    "crow": "a crow cawing",
    "crying_baby": "a baby crying",
    "dog": "a dog barking",
    "door_wood_creaks": "a wooden door creaking",
    "door_wood_knock": "knocking on a wooden door",
    "drinking_sipping": "a person drinking",
    "engine": "an engine running",
    "fireworks": "fireworks",
    "footsteps": "footsteps",
    "frog": "a frog croaking",
    "glass_breaking": "glass breaking",
    "hand_saw": "a hand saw cutting",
    "helicopter": "a helicopter",
    "hen": "a hen clucking",
    "insects": "insects buzzing",
    "keyboard_typing": "typing on a keyboard",
    "laughing": "people laughing",
    "mouse_click": "a computer mouse clicking",
    "pig": "a pig grunting",
    "pouring_water": "water being poured",
    "rain": "rain falling",
    "rooster": "a rooster crowing",
    "sea_waves": "sea waves",
    "sheep": "a sheep bleating",
    "siren": "a siren wailing",
    "sneezing": "a person sneezing",
    "snoring": "a person snoring",
    "thunderstorm": "a thunderstorm",
    "toilet_flush": "a toilet being flushed",
    "train": "a train passing",
    "vacuum_cleaner": "a vacuum cleaner",
    "washing_machine": "a washing machine running",
    "water_drops": "water dripping",
    "wind": "wind blowing",
}


def read(root: Path, *, validation_fold: int = 4, test_fold: int = 5) -> list[Clip]:
    """All clips, with ids `esc50/{file}`. Clips of a class in one split are one group."""
    names = ("meta/esc50.csv", "esc50.csv")
    table = first_existing(root, names, "table of ESC-50")
    clips = []
    for row in read_table(table, ("filename", "fold", "category", "src_file")):
        name, label = row["filename"], row["category"]
        if label not in PHRASES:
            raise DataError(f"{table}: {name} is of an unknown class {label!r}")
        split = split_of(row["fold"], validation_fold, test_fold)
        clips.append(
            Clip(
                id=f"esc50/{name}",
                path=str(root / "audio" / name),
                duration_s=0.0,
                captions=phrase_captions(PHRASES[label]),
                source="esc50",
                split=split,
                freesound_id=freesound_id(row["src_file"]),
                # The ten classes of ESC-10 are published under a freer licence.
                licence="CC BY 3.0" if row.get("esc10") == "True" else "CC BY-NC 3.0",
                group=f"esc50/{split}/{label}",
                label=label,
                caption_quality=1,
            )
        )
    return clips
