"""Corpora of one's own: folders, CSV files, clips.jsonl."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soundseek.errors import DataError, RecipeError
from soundseek.lab.data.corpora import read_corpus
from soundseek.lab.data.corpora.folder import words_of
from soundseek.lab.data.manifest import Clip
from support.corpora import write_csv, write_wav

pytestmark = pytest.mark.lab


def folder(root: Path, **options: str) -> dict[str, Clip]:
    clips = read_corpus("folder", root, options={"source": "mine", **options})
    return {clip.id: clip for clip in clips}


@pytest.mark.parametrize(
    ("stem", "words"),
    [
        ("DogBarking_02", "dog barking"),
        ("rain-on tin.roof 3", "rain on tin roof"),
        ("12345__ann__Door_Slam", "door slam"),
        ("0042", ""),
        ("Überraschung", "überraschung"),
    ],
)
def test_words_in_names(stem: str, words: str) -> None:
    assert words_of(stem) == words


def test_captions_beside_sounds_and_in_their_names(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "test/DogBark1.wav", "9__ann__rain.wav", "001.wav"):
        write_wav(tmp_path / name)
    (tmp_path / "a.txt").write_text("a bell rings\n\n a bell \n")
    facts = {
        "caption": "a cat",
        "tags": ["cat"],
        "split": "validation",
        "licence": "CC0",
        "freesound_id": 42,
        "author": "Bo",
    }
    (tmp_path / "b.json").write_text(json.dumps(facts))
    clips = folder(tmp_path)
    assert clips["mine/a.wav"].captions == ("a bell rings", "a bell")
    assert clips["mine/a.wav"].caption_quality == 2
    cat = clips["mine/b.wav"]
    assert (cat.captions, cat.split, cat.licence) == (("a cat",), "validation", "CC0")
    assert (cat.freesound_id, cat.author, cat.tags) == ("42", "Bo", ("cat",))
    bark = clips["mine/test/DogBark1.wav"]
    assert (bark.captions, bark.split, bark.caption_quality) == (("dog bark",), "test", 1)
    rain = clips["mine/9__ann__rain.wav"]
    assert (rain.captions, rain.freesound_id, rain.author) == (("rain",), "9", "ann")
    assert (clips["mine/001.wav"].captions, clips["mine/001.wav"].caption_quality) == ((), 0)


def test_ways_to_caption_a_folder(tmp_path: Path) -> None:
    for name in ("rain.wav", "wind.wav"):
        write_wav(tmp_path / name)
    (tmp_path / "rain.txt").write_text("it pours")
    assert [clip.captions for clip in folder(tmp_path, captions="sidecar").values()] == [
        ("it pours",),
        (),
    ]
    assert [clip.captions for clip in folder(tmp_path, captions="names").values()] == [
        ("rain",),
        ("wind",),
    ]
    with pytest.raises(RecipeError, match="auto, names, sidecar"):
        folder(tmp_path, captions="guess")


def test_files_beside_sounds_that_cannot_be_read(tmp_path: Path) -> None:
    write_wav(tmp_path / "rain.wav")
    (tmp_path / "rain.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"rain\.txt: .*\n.*UTF-8"):
        folder(tmp_path)
    (tmp_path / "rain.json").write_text("[]")
    with pytest.raises(DataError, match=r"rain\.json is no JSON object"):
        folder(tmp_path)


def test_a_split_that_is_none(tmp_path: Path) -> None:
    write_wav(tmp_path / "rain.wav")
    with pytest.raises(DataError, match="unknown split 'dev'"):
        folder(tmp_path, split="dev")


def test_a_csv_with_a_row_a_caption(tmp_path: Path) -> None:
    rows = [
        {"file": "a.wav", "caption": "one", "split": "test", "freesound_id": "7.0", "tags": "x;y"},
        {"file": "a.wav", "caption": "two", "split": "test", "freesound_id": "7.0", "tags": "x;y"},
        {"file": "a.wav", "caption": "three", "split": "train", "freesound_id": "", "tags": ""},
    ]
    write_csv(tmp_path / "mine.csv", rows)
    write_wav(tmp_path / "a.wav")
    tested, trained = read_corpus("csv", tmp_path)
    assert (tested.id, tested.captions) == ("mine/test/a.wav", ("one", "two"))
    assert (tested.freesound_id, tested.tags) == ("7", ("x", "y"))
    assert (trained.id, trained.freesound_id) == ("mine/train/a.wav", None)


def test_a_csv_with_a_row_a_clip_and_names_of_its_own(tmp_path: Path) -> None:
    rows = [{"location": "1.wav", "says": "engine", "secs": "3.5", "terms": "CC0"}]
    table = write_csv(tmp_path / "tables" / "bbc.csv", rows, delimiter=";")
    write_wav(tmp_path / "sounds" / "1.wav")
    options = {
        "file_column": "location",
        "caption_column": "says",
        "duration_column": "secs",
        "licence_column": "terms",
        "audio_folder": "../sounds",
        "source": "bbc",
    }
    (clip,) = read_corpus("csv", table, options=options)
    assert (clip.id, clip.captions, clip.licence) == ("bbc/train/1.wav", ("engine",), "CC0")
    (tmp_path / "sounds" / "1.wav").unlink()
    (clip,) = read_corpus("csv", table, audio="optional", options=options)
    assert clip.duration_s == 3.5


def test_captions_in_numbered_columns_count_once(tmp_path: Path) -> None:
    row = {"file_name": "a.wav", "caption_1": "one", "caption_2": "", "caption_3": "one"}
    write_csv(tmp_path / "x.csv", [row])
    (clip,) = read_corpus("csv", tmp_path, audio="optional")
    assert clip.captions == ("one",)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"sound": "a", "caption": "x"}, r"no column file_name or .*\n.*sound, caption"),
        ({"file": "a", "words": "x"}, "no caption column"),
        ({"file": "a", "caption": "x", "duration_s": "long"}, "duration of 'long'"),
        ({"file": "a", "caption": "x", "split": "dev"}, "unknown split 'dev'"),
    ],
)
def test_a_csv_that_does_not_do(tmp_path: Path, row: dict[str, str], said: str) -> None:
    write_csv(tmp_path / "x.csv", [row])
    with pytest.raises(DataError, match=said):
        read_corpus("csv", tmp_path, audio="optional")


def test_which_csv(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write_csv(tmp_path / name, [{"file": "x", "caption": name}])
    with pytest.raises(DataError, match=r"holds 2 \.csv files\n.*table=NAME"):
        read_corpus("csv", tmp_path, audio="optional")
    (clip,) = read_corpus("csv", tmp_path, audio="optional", options={"table": "b.csv"})
    assert clip.captions == ("b.csv",)
    (tmp_path / "a.csv").write_text("file,caption\n")
    with pytest.raises(DataError, match=r"a\.csv has no rows"):
        read_corpus("csv", tmp_path / "a.csv")


def test_clips_jsonl_keeps_its_groups(corpus: Path) -> None:
    clips = read_corpus("clips", corpus)
    assert len(clips) == 12
    assert {clip.group for clip in clips} >= {"rain-train", "rain-validation"}
    assert {clip.sample_rate for clip in clips} == {16_000}
    assert read_corpus("clips", corpus / "clips.jsonl") == clips
