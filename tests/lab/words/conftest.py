"""A corpus of a few texts, a dictionary of a few words, and a teacher that makes vectors up."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Document = dict[str, Any]
_HEADER = "  1 An invented dictionary, in no language  \n"
# Part → (number of the lexicographers' file, words, senses met in tagged texts, gloss).
_Synset = tuple[int, Sequence[str], int, str]
DICTIONARY: Mapping[str, Sequence[_Synset]] = {
    "noun": [
        (5, ["wolfkin", "grey_howler"], 2, 'a furry animal; "the wolfkin sang all night"'),
        (5, ["zebrule"], 1, "an animal with stripes"),
        (5, ["Murmurton"], 1, "an animal known by name"),
        (6, ["box", "crate"], 3, 'a container; "he shut the box"; "a crate of plums"'),
        (6, ["bell"], 1, "a thing that rings"),
    ],
    "verb": [
        (39, ["plink", "patter"], 1, "make a small noise"),
        (39, ["chime"], 2, "ring softly"),
        (38, ["shoo"], 0, "chase off"),
    ],
    "adj": [(0, ["loud", "blaring(a)"], 4, "with great noise")],
    "adv": [(2, ["softly"], 1, "without noise")],
}


@pytest.fixture
def dictionary(tmp_path: Path) -> Path:
    """`DICTIONARY` as files in the format of wndb(5WN)."""
    folder = tmp_path / "dictionary"
    folder.mkdir()
    for part, synsets in DICTIONARY.items():
        data, index = _HEADER, []
        for number, words, known, gloss in synsets:
            offset = len(data)
            spelt = " ".join(f"{word} 0" for word in words)
            data += (
                f"{offset:08d} {number:02d} {part[0]} {len(words):02x} {spelt} 000 | {gloss}  \n"
            )
            for word in words:
                lemma = word.partition("(")[0].lower()
                index.append(f"{lemma} {part[0]} 1 0 1 {known} {offset:08d}  \n")
        (folder / f"data.{part}").write_text(data, encoding="utf-8")
        (folder / f"index.{part}").write_text(_HEADER + "".join(sorted(index)), encoding="utf-8")
    return folder


@pytest.fixture
def words_folder(tmp_path: Path) -> Path:
    """Captions of a corpus, of clips, and held-out ones of three clips."""
    folder = tmp_path / "data"
    folder.mkdir()
    captions = [
        f"a {kind} {verb}" for kind in ("wolfkin", "bell", "box") for verb in ("rings", "sings")
    ]
    (folder / "captions.csv").write_text("\n".join(["caption", *captions]) + "\n", encoding="utf-8")
    rows = ["file_name,caption_1,caption_2"]
    rows += [f"{n}.wav,a {n} is heard,someone hears a {n}" for n in ("gong", "horn", "saw", "drum")]
    # One of them is a caption of the corpus, otherwise written.
    rows += [
        "x.wav,A bell rings.,the last one",
        *(f"{i}.wav,sound {i},noise {i}" for i in range(6)),
    ]
    (folder / "held.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "classes.csv").write_text("index,mid,display_name\n0,/m/0,Door\n", encoding="utf-8")
    clips = [
        {
            "id": f"{split}-{tier}",
            "file": f"{split}-{tier}.wav",
            "split": split,
            "tier": tier,
            "source": "test",
            "captions": [f"a {split} {tier} noise"],
            "caption_quality": 2,
            "group": f"{split}-{tier}",
            "label": None,
            "duration_s": 1.0,
            "licence": "CC0",
        }
        for split in ("train", "test")
        for tier in ("free", "research")
    ]
    lines = "".join(json.dumps(clip) + "\n" for clip in clips)
    (folder / "clips.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture
def words_document(words_folder: Path, dictionary: Path) -> Document:
    """A recipe of eight steps."""
    return {
        "system": "words",
        "name": "test/words",
        "description": "for tests",
        "seed": 3,
        "data": {
            "folder": str(words_folder),
            "captions": ["captions.csv"],
            "class_names": "classes.csv",
            "wordnet": str(dictionary),
            "held_out": {"held": "held.csv"},
        },
        "texts": {
            "joined": 4,
            "spans": 8,
            "framed": 6,
            "ordered": 6,
            "swapped": 20,
            "words": 50,
            "definitions": 2,
            "examples": 9,
        },
        "network": {
            "vocabulary": 120,
            "width": 8,
            "layers": 1,
            "heads": 2,
            "max_tokens": 12,
            "start": "teacher",
        },
        "objective": {"cosine": 1.0, "similarity": 1.0, "ranking": 0.1},
        "optimiser": {"steps": 8, "warmup_steps": 2, "learning_rate": 0.01, "batch": 8},
        "run": {"checkpoint_steps": 4, "evaluate_steps": 4, "log_steps": 2, "device": "cpu"},
    }


@pytest.fixture
def words_recipe(words_document: Document) -> Callable[..., Any]:
    """Return words_recipe(**differences) → the recipe with these merged over it."""
    from soundseek.lab.recipe_files import merged, validated
    from soundseek.lab.words.recipe import WordsRecipe

    return lambda **differences: validated(WordsRecipe, merged(words_document, differences), "test")


@pytest.fixture
def fake_teacher(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Random vectors in the place of MiniLM; returns how many texts it read, a call each."""
    from soundseek.lab.words import lessons

    calls: list[int] = []

    class Text:
        def __init__(self, **_: object) -> None: ...

        def encode(self, texts: Sequence[str]) -> np.ndarray:
            calls.append(len(texts))
            seeds = [sum(text.encode()) for text in texts]
            vectors = np.stack([np.random.default_rng(s).standard_normal(16) for s in seeds])
            unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
            return unit.astype(np.float32)

    monkeypatch.setattr(lessons, "MiniLm", Text)
    return calls
