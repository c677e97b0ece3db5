from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.errors import AudioError
from soundseek.lab.data.manifest import Clip
from soundseek.lab.scorecard import RETRIEVAL, SAME_CLASS, ZERO_SHOT, scorecard

pytestmark = pytest.mark.lab

NAMES = ("rain", "wind", "frog", "bell")
VECTORS = dict(zip(NAMES, np.eye(4, dtype=np.float32), strict=True))
PLACES = (
    ("made", "train", "free"),
    ("made", "validation", "free"),
    ("made", "test", "free"),
    ("made", "test", "research"),
    ("generated", "train", "research"),
    ("generated", "test", "research"),
    ("urbansound8k", "train", "research"),
    ("urbansound8k", "test", "research"),
    ("esc10", "test", "free"),
    ("animal_sound", "test", "research"),
)
# How many of these places a set is made of.
PARTS = {
    "validation": 1,
    "test": 2,
    "test_research": 4,
    "generated": 2,
    "urbansound8k_fold10": 1,
    "esc10_fold5": 1,
    "animal_sound_test": 1,
    "joint_classes": 3,
}


def clip(source: str, split: str, tier: str, name: str, label: str | None = None) -> Clip:
    return Clip(
        id=f"{source}-{split}-{tier}-{name}",
        path=name,
        duration_s=1.0,
        captions=(name,),
        source=source,
        split=split,
        licence="CC0",
        group=name,
        label=label or name,
        tier=tier,
    )


def corpus() -> list[Clip]:
    """In every place one clip a name, and one clip that cannot be read."""
    return [clip(*place, name) for place in PLACES for name in (*NAMES, "broken")]


def encode_audio(path: str) -> np.ndarray:
    if path == "broken":
        raise AudioError(f"{path} cannot be read")
    return VECTORS[path]


def encode_text(texts: list[str]) -> np.ndarray:
    """Mistakes a bell for a frog."""
    return np.stack([VECTORS["frog" if text == "bell" else text] for text in texts])


def test_every_set_is_scored_on_what_can_be_read() -> None:
    card = scorecard(corpus(), encode_audio, encode_text)
    assert list(card) == [*RETRIEVAL, *ZERO_SHOT] == list(PARTS)
    assert {name: entry["clips"] for name, entry in card.items()} == {
        name: 4 * parts for name, parts in PARTS.items()
    }
    for name in RETRIEVAL:
        assert card[name]["queries"] == 4
        assert card[name]["metrics"]["R@1"]["value"] == 0.75
        low, high = card[name]["metrics"]["R@1"]["ci95"]
        assert low < 0.75 < high
        assert card[name]["metrics"]["medR"]["ci95"] is None
    for name in ZERO_SHOT:
        assert card[name]["classes"] == 4
        assert card[name]["metrics"]["accuracy"]["value"] == 0.75


def test_a_set_with_a_clip_that_was_trained_on_is_not_scored() -> None:
    learnt = ["made-train-free-rain", "generated-train-research-wind"]
    card = scorecard(corpus(), encode_audio, encode_text, trained_on=learnt)
    assert set(PARTS) - set(card) == {"generated"}


def test_names_of_one_meaning_are_one_class_where_sets_are_joined() -> None:
    """The model says the other name of each pair, and mistakes rain for a dog's bark."""
    labels = {"esc10": ("dog_bark", "rooster", "rain"), "animal_sound": ("dog", "chicken")}
    heard_as = {"dog bark": "dog", "dog": "dog bark", "rooster": "chicken", "chicken": "rooster"}
    heard_as["rain"] = "dog"
    names = sorted(heard_as)
    unit = dict(zip(names, np.eye(len(names), dtype=np.float32), strict=True))
    clips = [
        clip(source, "test", "free", label.replace("_", " "), label)
        for source, each in labels.items()
        for label in each
    ]

    card = scorecard(
        clips,
        lambda path: unit[heard_as[path]],
        lambda texts: np.stack([unit[text] for text in texts]),
    )
    assert card["joint_classes"]["classes"] == 3
    assert card["joint_classes"]["metrics"]["accuracy"]["value"] == 0.8
    # Nothing is merged within one corpus.
    assert card["animal_sound_test"]["classes"] == 2


def test_what_is_merged_belongs_to_a_set() -> None:
    assert set(SAME_CLASS) <= set(ZERO_SHOT)
    for merged in SAME_CLASS.values():
        # A class is named by one of its names, which is merged no further.
        assert not set(merged) & set(merged.values())
