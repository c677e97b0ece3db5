from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.data.manifest import write_parquet
from soundseek.lab.retrieval.clips import clip_sets, test_clips
from soundseek.lab.retrieval.recipe import Data
from support.retrieval import silent

pytestmark = pytest.mark.lab

MakeClip = Callable[..., Any]


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[..., str]:
    """Return manifest(clips) → the path of a Parquet file with them."""

    def written(clips: list[Any]) -> str:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet"
        write_parquet(clips, path)
        return str(path)

    return written


def data(train: str, validation: str, test: str | None = None, **more: Any) -> Data:
    parts = {"train": train, "validation": validation, "test": test}
    sources = {part: [{"manifest": file}] for part, file in parts.items() if file is not None}
    return Data.model_validate(sources | more)


def ids(clips: list[Any]) -> list[str]:
    return [clip.id for clip in clips]


def test_the_three_parts(make_clip: MakeClip, manifest: Callable[..., str]) -> None:
    files = [manifest([make_clip(name)]) for name in "abc"]
    sets = clip_sets(data(*files), 0, silent)
    assert [ids(part) for part in (sets.train, sets.validation, sets.test)] == [["a"], ["b"], ["c"]]
    assert ids(test_clips(data(*files), silent)) == ["c"]
    assert clip_sets(data(*files[:2]), 0, silent).test == []


def test_a_source_of_a_corpus_is_chosen_from(synthetic: Path) -> None:
    source = {"corpus": "clips", "root": str(synthetic), "split": "train", "tiers": ["free"]}
    other = source | {"split": "validation", "min_caption_quality": 2, "sources": ["synthetic"]}
    sets = clip_sets(Data.model_validate({"train": [source], "validation": [other]}), 0, silent)
    assert len(sets.train) == 10
    assert {clip.split for clip in sets.train} == {"train"}
    assert len(sets.validation) == 5
    nothing = source | {"tiers": ["shared"]}
    with pytest.raises(DataError, match=r"no clip with a caption in data.train\n.*tiers"):
        clip_sets(Data.model_validate({"train": [nothing], "validation": [other]}), 0, silent)


def test_a_corpus_stands_in_the_folder_of_its_name(synthetic: Path, tmp_path: Path) -> None:
    (tmp_path / "clips").symlink_to(synthetic)
    source = {"corpus": "clips", "split": "test"}
    found = test_clips(Data.model_validate({"folder": str(tmp_path), "test": [source]}), silent)
    assert len(found) == 5


def test_clips_without_readable_sound_that_are_left_out_are_counted(
    synthetic: Path, tmp_path: Path
) -> None:
    lines = [json.loads(line) for line in (synthetic / "clips.jsonl").read_text().splitlines()]
    for line in lines[1:]:
        line["file"] = str(synthetic / line["file"])
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "clips.jsonl").write_text(text, encoding="utf-8")
    source = {"corpus": "clips", "root": str(tmp_path), "audio": "present"}
    said: list[str] = []
    found = test_clips(Data.model_validate({"test": [source]}), said.append)
    assert len(found) == len(lines) - 1
    assert any("clips: 1 clips have no readable sound, the first: " in line for line in said)


def test_empty_captions_are_dropped_and_clips_that_have_no_other(
    make_clip: MakeClip, manifest: Callable[..., str]
) -> None:
    """Splitting captions on full stops once made 905 empty queries in a public benchmark."""
    clips = [
        make_clip("a", ["rain", "", "  ", "more rain"]),
        make_clip("b", ["", " \t"]),
        make_clip("c", []),
    ]
    sets = clip_sets(data(manifest(clips), manifest([make_clip("d")])), 0, silent)
    assert [(clip.id, clip.captions) for clip in sets.train] == [("a", ("rain", "more rain"))]
    with pytest.raises(DataError, match=r"no clip with a caption in data.validation"):
        clip_sets(data(manifest(clips), manifest(clips[1:])), 0, silent)


def test_a_clip_of_two_sources_of_a_part_is_refused(
    make_clip: MakeClip, manifest: Callable[..., str]
) -> None:
    file = manifest([make_clip("a")])
    doubled = Data.model_validate(
        {"train": [{"manifest": file}] * 2, "validation": [{"manifest": file}]}
    )
    with pytest.raises(DataError, match="1 clips come from two sources"):
        clip_sets(doubled, 0, silent)


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_folds_keep_groups_together_and_hold_each_out_once(
    make_clip: MakeClip, manifest: Callable[..., str], folds: int
) -> None:
    clips = [make_clip(f"c{i}", group=f"g{i % 7}") for i in range(20)]
    train, validation = manifest(clips[:15]), manifest(clips[15:])
    held_out: list[str] = []
    for fold in range(folds):
        sets = clip_sets(data(train, validation, folds=folds, fold=fold), 3, silent)
        inside, outside = ({clip.group for clip in part} for part in (sets.train, sets.validation))
        assert not inside & outside
        assert sorted(ids(sets.train) + ids(sets.validation)) == sorted(ids(clips))
        held_out += sorted(outside)
        # The seed of training plays no part.
        again = clip_sets(data(train, validation, folds=folds, fold=fold), 4, silent)
        assert ids(again.validation) == ids(sets.validation)
    assert sorted(held_out) == [f"g{i}" for i in range(7)]


def test_a_fold_that_is_not(make_clip: MakeClip, manifest: Callable[..., str]) -> None:
    file, other = manifest([make_clip("a")]), manifest([make_clip("b")])
    with pytest.raises(DataError, match=r"no fold 3 of 3\n.*0 … 2"):
        clip_sets(data(file, other, folds=3, fold=3), 0, silent)
    # Two groups are too few for three folds.
    with pytest.raises(DataError, match=r"into 3 folds: they make 2 sets"):
        clip_sets(data(file, other, folds=3, fold=2), 0, silent)


def test_most_clips_are_drawn_by_the_seed(
    make_clip: MakeClip, manifest: Callable[..., str]
) -> None:
    clips = [make_clip(f"c{i:02}") for i in range(30)]
    files = manifest(clips), manifest(clips[:4]), manifest(clips[10:])
    some = [clip_sets(data(*files, most_clips=5), seed, silent) for seed in (0, 0, 1)]
    assert ids(some[0].train) == ids(some[1].train) != ids(some[2].train)
    assert len(some[0].train) == len(some[0].test) == 5
    assert ids(some[0].train) == sorted(ids(some[0].train))
    assert len(some[0].validation) == 4
    # What is scored on is the same for every seed.
    assert ids(some[0].test) == ids(some[2].test)
    assert ids(some[0].validation) == ids(some[2].validation)
    assert ids(test_clips(data(*files, most_clips=5), silent)) == ids(some[0].test)


def test_recordings_in_training_and_in_test_are_told(
    make_clip: MakeClip, manifest: Callable[..., str]
) -> None:
    train = [make_clip("a", freesound_id="7"), make_clip("b", freesound_id="8"), make_clip("c")]
    test = [make_clip("x", freesound_id="7"), make_clip("y")]
    said: list[str] = []
    files = manifest(train), manifest([make_clip("v")]), manifest(test)
    clip_sets(data(*files), 0, said.append)
    assert said == ["warning: 1 training clips share their Freesound id with a test clip"]
