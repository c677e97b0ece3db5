"""Clips that cannot be read in a training: one bad file never ends it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.retrieval import stage as staging
from soundseek.lab.retrieval import train
from support.retrieval import Document, rows, silent

pytestmark = pytest.mark.lab

RecipeOf = Callable[..., Any]
Spoilt = Callable[..., Document]


@pytest.fixture
def spoilt(document: Document, synthetic: Path, tmp_path: Path) -> Spoilt:
    """Return spoilt(n) → the tiny recipe on a corpus whose first n training clips are no sounds;
    all of them for None."""

    def made(n: int | None) -> Document:
        corpus = tmp_path / "corpus"
        shutil.copytree(synthetic, corpus)
        lines = [json.loads(line) for line in (corpus / "clips.jsonl").read_text().splitlines()]
        for line in [one for one in lines if one["split"] == "train"][:n]:
            (corpus / line["file"]).write_bytes(b"no sound at all")
        data = {
            split: [{"corpus": "clips", "root": str(corpus), "split": split, "audio": "optional"}]
            for split in ("train", "validation", "test")
        }
        return {**document, "data": data, "run": {**document["run"], "cache": None}}

    return made


def ids_of_training(document: Document) -> list[str]:
    root = Path(document["data"]["train"][0]["root"])
    lines = [json.loads(line) for line in (root / "clips.jsonl").read_text().splitlines()]
    return [line["id"] for line in lines if line["split"] == "train"]


@pytest.mark.parametrize("workers", [1, 3])
def test_another_takes_the_place_of_one_that_is_needed_and_cannot_be_read(
    spoilt: Spoilt,
    recipe_of: RecipeOf,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
) -> None:
    document = spoilt(2)
    bad = set(ids_of_training(document)[:2])
    heard: list[list[str]] = []
    real = staging.Stage._learn

    def watched(self: Any, lessons: Any) -> Any:
        clips = self.material.train.clips
        heard.append([clips[i].id for lesson in lessons for i in lesson.batch.clips])
        return real(self, lessons)

    monkeypatch.setattr(staging.Stage, "_learn", watched)
    said: list[str] = []
    recipe = recipe_of(document, run={"decode": "when_needed", "workers": workers})
    train.train(recipe, tmp_path / "run", said.append)
    assert len(heard) == 10
    assert all(len(batch) == 6 and bad.isdisjoint(batch) for batch in heard)
    told = [line for line in said if line.startswith("left out")]
    assert sorted(line.split(":")[0] for line in told) == sorted(f"left out {one}" for one in bad)
    clips = json.loads((tmp_path / "run" / "clips.json").read_text())["train"]
    assert set(clips["left_out"]) == bad
    first = heard.copy()
    heard.clear()
    train.train(recipe, tmp_path / "again", silent)
    assert heard == first
    assert rows(tmp_path / "run" / "metrics.csv") == rows(tmp_path / "again" / "metrics.csv")


def test_one_that_cannot_be_decoded_ahead_is_left_out(
    spoilt: Spoilt, recipe_of: RecipeOf, tmp_path: Path
) -> None:
    document = spoilt(2)
    said: list[str] = []
    recipe = recipe_of(document, optimiser={"max_steps": 2}, run={"workers": 2})
    train.train(recipe, tmp_path / "run", said.append)
    bad = ids_of_training(document)[:2]
    assert len([line for line in said if line.startswith("left out")]) == 2
    assert "2 of 10 clips of training are left out" in said
    clips = json.loads((tmp_path / "run" / "clips.json").read_text())["train"]
    assert sorted(clips["left_out"]) == sorted(bad)
    assert clips["parts"]["training"]["clips"] == 8


@pytest.mark.parametrize("decode", ["ahead", "when_needed"])
def test_nothing_but_unreadable_clips_is_an_error(
    spoilt: Spoilt, recipe_of: RecipeOf, tmp_path: Path, decode: str
) -> None:
    recipe = recipe_of(spoilt(None), run={"decode": decode})
    with pytest.raises(DataError, match=r"none of 10 clips c(an|ould) be (read|decoded)"):
        train.train(recipe, tmp_path / "run", silent)
