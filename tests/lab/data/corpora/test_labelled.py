"""Corpora whose captions are made from labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soundseek.errors import DataError
from soundseek.lab.data.corpora import read_corpus
from soundseek.lab.data.corpora.esc50 import PHRASES as ESC50
from soundseek.lab.data.corpora.urbansound8k import PHRASES as URBANSOUND8K
from soundseek.lab.data.manifest import Clip
from support.corpora import write_csv, write_wav

pytestmark = pytest.mark.lab


@pytest.fixture
def fsd50k(tmp_path: Path) -> Path:
    dev = [
        {"fname": "64760", "labels": "Bark,Dog,Animal", "mids": "", "split": "train"},
        {"fname": "64761", "labels": "Dog,Animal,Bark", "mids": "", "split": "train"},
        {"fname": "16399", "labels": "Rain", "mids": "", "split": "val"},
    ]
    evaluated = [{"fname": "37199", "labels": "Rain", "mids": ""}]
    for part, rows in (("dev", dev), ("eval", evaluated)):
        write_csv(tmp_path / "FSD50K.ground_truth" / f"{part}.csv", rows)
        for row in rows:
            write_wav(tmp_path / f"FSD50K.{part}_audio" / f"{row['fname']}.wav")
    facts = {"64760": {"license": "CC0", "uploader": "Ann", "tags": ["dog"], "title": "x"}}
    (tmp_path / "FSD50K.metadata").mkdir()
    table = tmp_path / "FSD50K.metadata" / "dev_clips_info_FSD50K.json"
    table.write_text(json.dumps(facts))
    return tmp_path


def read(root: Path, **options: object) -> dict[str, Clip]:
    return {clip.id: clip for clip in read_corpus("fsd50k", root, options=options)}


def test_fsd50k(fsd50k: Path) -> None:
    clips = read(fsd50k)
    assert {name: clip.split for name, clip in clips.items()} == {
        "fsd50k/dev/64760": "train",
        "fsd50k/dev/64761": "train",
        "fsd50k/dev/16399": "validation",
        "fsd50k/eval/37199": "test",
    }
    bark = clips["fsd50k/dev/64760"]
    assert (bark.freesound_id, bark.licence, bark.author) == ("64760", "CC0", "Ann")
    assert len(set(bark.captions)) == 2
    assert all("bark, dog and animal" in text for text in bark.captions)
    assert bark.caption_quality == 1


def test_fsd50k_clips_with_the_same_labels_are_one_group_in_a_split(fsd50k: Path) -> None:
    clips = read(fsd50k)
    assert clips["fsd50k/dev/64760"].group == clips["fsd50k/dev/64761"].group
    assert clips["fsd50k/dev/16399"].group != clips["fsd50k/eval/37199"].group


def test_fsd50k_captions_are_drawn_with_the_seed(fsd50k: Path) -> None:
    def texts(seed: object) -> list[tuple[str, ...]]:
        return [clip.captions for clip in read(fsd50k, seed=seed, captions_per_clip="1").values()]

    assert texts(3) == texts("3")
    assert any(texts(3) != texts(seed) for seed in range(4, 8))


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_fsd50k_with_captions_of_a_language_model(fsd50k: Path, kind: str) -> None:
    rows = [{"wav": "64760.wav", "caption": "a dog yaps"}, {"wav": "16399.wav", "caption": " "}]
    path = fsd50k / f"captions.{kind}"
    if kind == "csv":
        write_csv(path, rows)
    else:
        path.write_text(json.dumps({"data": rows}))
    clips = read(fsd50k, captions=str(path))
    own = clips["fsd50k/dev/64760"]
    assert (own.captions, own.caption_quality, own.group) == (("a dog yaps",), 2, own.id)
    assert clips["fsd50k/dev/64761"].caption_quality == 1
    assert "rain" in clips["fsd50k/dev/16399"].captions[0]


def test_fsd50k_captions_of_nobody(fsd50k: Path) -> None:
    path = write_csv(fsd50k / "captions.csv", [{"clip": "64760", "caption": "x"}])
    with pytest.raises(DataError, match="does not say which clip"):
        read(fsd50k, captions=str(path))


def esc50(root: Path, *rows: tuple[str, str, str]) -> Path:
    table = []
    for n, (fold, category, esc10) in enumerate(rows):
        name = f"{fold}-{100032 + n}-A-0.wav"
        table.append(
            {
                "filename": name,
                "fold": fold,
                "target": "0",
                "category": category,
                "esc10": esc10,
                "src_file": str(100032 + n),
                "take": "A",
            }
        )
        write_wav(root / "audio" / name)
    write_csv(root / "meta" / "esc50.csv", table)
    return root


def test_esc50(tmp_path: Path) -> None:
    clips = read_corpus(
        "esc50",
        esc50(
            tmp_path,
            ("1", "dog", "True"),
            ("2", "dog", "False"),
            ("4", "wind", "False"),
            ("5", "cow", "False"),
        ),
    )
    assert [clip.split for clip in clips] == ["train", "train", "validation", "test"]
    first, second = clips[:2]
    assert first.captions == ("the sound of a dog barking", "a dog barking")
    assert (first.id, first.freesound_id) == ("esc50/1-100032-A-0.wav", "100032")
    assert first.group == second.group == "esc50/train/dog"
    assert (first.licence, second.licence) == ("CC BY 3.0", "CC BY-NC 3.0")


def test_folds_are_chosen(tmp_path: Path) -> None:
    root = esc50(tmp_path, ("1", "dog", "False"), ("2", "cat", "False"), ("3", "cow", "False"))
    clips = read_corpus("esc50", root, options={"validation_fold": "0", "test_fold": "1"})
    assert [clip.split for clip in clips] == ["test", "train", "train"]


def test_an_unknown_class_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown class 'unicorn'"):
        read_corpus("esc50", esc50(tmp_path, ("1", "unicorn", "False")))


def test_urbansound8k(tmp_path: Path) -> None:
    rows = [
        {
            "slice_file_name": f"{number}-3-0-0.wav",
            "fsID": number,
            "fold": fold,
            "classID": "3",
            "class": "dog_bark",
        }
        for number, fold in ((100032, "5"), (100033, "10"), (100034, "2"))
    ]
    write_csv(tmp_path / "metadata" / "UrbanSound8K.csv", rows)
    for row in rows:
        write_wav(tmp_path / "audio" / f"fold{row['fold']}" / str(row["slice_file_name"]))
    clips = read_corpus("urbansound8k", tmp_path)
    assert [clip.split for clip in clips] == ["train", "test", "validation"]
    assert clips[0].id == "urbansound8k/fold5/100032-3-0-0.wav"
    assert (clips[0].freesound_id, clips[0].label) == ("100032", "dog_bark")
    assert clips[0].captions[0] == "the sound of a dog barking"


def test_the_classes_are_all_there() -> None:
    assert (len(ESC50), len(URBANSOUND8K)) == (50, 10)
    assert len(set(ESC50.values())) == 50
