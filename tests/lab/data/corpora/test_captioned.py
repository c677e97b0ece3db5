"""Corpora that people or models captioned, in their published layouts made small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soundseek.errors import DataError, RecipeError
from soundseek.lab.data.corpora import read_corpus
from soundseek.lab.data.manifest import Clip
from support.corpora import RATE, clotho_rows, write_csv, write_wav

pytestmark = pytest.mark.lab


def by_id(clips: list[Clip]) -> dict[str, Clip]:
    return {clip.id: clip for clip in clips}


@pytest.fixture
def clotho(tmp_path: Path) -> Path:
    rows = {
        "development": clotho_rows("dev", "same.wav", " Ambience Birds.wav", "other.wav"),
        "validation": clotho_rows("val", "same.wav"),
        "evaluation": clotho_rows("eva", "Chris&#39; Elevator.wav"),
    }
    rows["development"][2]["caption_3"] = rows["development"][0]["caption_1"].upper()
    for split, captions in rows.items():
        write_csv(tmp_path / f"clotho_captions_{split}.csv", captions)
        facts = [
            {
                "file_name": row["file_name"],
                "keywords": "rain;café",
                "sound_id": "Not found" if row["file_name"] == "other.wav" else "42",
                "sound_link": "https://example.org/42",
                "manufacturer": "Ann",
                "license": "http://creativecommons.org/licenses/by/3.0/ ",
            }
            for row in captions
        ]
        write_csv(tmp_path / f"clotho_metadata_{split}.csv", facts, encoding="cp1252")
        for n, row in enumerate(captions):
            write_wav(tmp_path / split / row["file_name"], 0.25 * (n + 1))
    return tmp_path


def test_clotho(clotho: Path) -> None:
    clips = by_id(read_corpus("clotho", clotho))
    assert list(clips) == [
        "clotho/development/same.wav",
        "clotho/development/ Ambience Birds.wav",
        "clotho/development/other.wav",
        "clotho/validation/same.wav",
        "clotho/evaluation/Chris&#39; Elevator.wav",
    ]
    birds = clips["clotho/development/ Ambience Birds.wav"]
    assert birds.captions == tuple(f"dev  Ambience Birds.wav text {n}" for n in range(1, 6))
    assert (birds.split, birds.freesound_id, birds.source) == ("train", "42", "clotho")
    assert (birds.duration_s, birds.sample_rate) == (0.5, RATE)
    assert birds.tags == ("rain", "café")
    assert birds.licence == "http://creativecommons.org/licenses/by/3.0/"
    assert birds.author == "Ann"
    assert clips["clotho/development/other.wav"].freesound_id is None
    assert clips["clotho/validation/same.wav"].split == "validation"
    assert clips["clotho/evaluation/Chris&#39; Elevator.wav"].split == "test"


def test_clotho_clips_that_share_a_caption_are_one_group(clotho: Path) -> None:
    clips = by_id(read_corpus("clotho", clotho))
    first = "clotho/development/same.wav"
    assert clips["clotho/development/other.wav"].group == first
    assert clips["clotho/validation/same.wav"].group == "clotho/validation/same.wav"


def test_clotho_metadata_elsewhere_under_its_other_name_or_not_at_all(clotho: Path) -> None:
    elsewhere = clotho / "facts"
    elsewhere.mkdir()
    for split in ("development", "validation", "evaluation"):
        table = clotho / f"clotho_metadata_{split}.csv"
        table.rename(elsewhere / f"clotho_{split}_metadata.csv")
    with pytest.raises(DataError, match=r"no metadata of Clotho development\n.*metadata=none"):
        read_corpus("clotho", clotho)
    found = read_corpus("clotho", clotho, options={"metadata": str(elsewhere)})
    assert found[0].freesound_id == "42"
    without = read_corpus("clotho", clotho, options={"metadata": "none"})
    assert {(clip.freesound_id, clip.licence) for clip in without} == {(None, "not stated")}


def test_clotho_splits_that_are_asked_for(clotho: Path) -> None:
    (only,) = read_corpus("clotho", clotho, options={"splits": "evaluation"})
    assert only.split == "test"
    with pytest.raises(DataError, match="no split 'test'"):
        read_corpus("clotho", clotho, options={"splits": "test"})
    (clotho / "clotho_captions_validation.csv").unlink()
    assert len(read_corpus("clotho", clotho)) == 4
    with pytest.raises(DataError, match="no captions of Clotho validation"):
        read_corpus("clotho", clotho, options={"splits": "validation"})


def test_audiocaps(tmp_path: Path) -> None:
    head = ("audiocap_id", "youtube_id", "start_time", "caption")
    train = [dict(zip(head, ("91139", "r1nicOVtvkQ", "130", "water pours"), strict=True))]
    val = [
        dict(zip(head, (str(n), "vfY_TJq7n_U", "130", f"rustling {n}"), strict=True))
        for n in range(5)
    ]
    write_csv(tmp_path / "dataset" / "train.csv", train)
    write_csv(tmp_path / "dataset" / "val.csv", val)
    write_wav(tmp_path / "train" / "Yr1nicOVtvkQ.wav")
    write_wav(tmp_path / "audio" / "val" / "vfY_TJq7n_U_130.flac")
    clips = by_id(read_corpus("audiocaps", tmp_path))
    one = clips["audiocaps/train/r1nicOVtvkQ_130"]
    assert (one.captions, one.youtube_id, one.freesound_id) == (
        ("water pours",),
        "r1nicOVtvkQ",
        None,
    )
    five = clips["audiocaps/val/vfY_TJq7n_U_130"]
    assert five.captions == tuple(f"rustling {n}" for n in range(5))
    assert five.split == "validation"


def test_audiocaps_without_sounds_lasts_ten_seconds(tmp_path: Path) -> None:
    row = {"audiocap_id": "1", "youtube_id": "r1nicOVtvkQ", "start_time": "0", "caption": "x"}
    write_csv(tmp_path / "audiocaps_test.csv", [row])
    (clip,) = read_corpus("audiocaps", tmp_path, audio="optional")
    assert (clip.duration_s, clip.has_audio, clip.split) == (10.0, False, "test")
    assert clip.path == str(tmp_path / "test" / "Yr1nicOVtvkQ.wav")


@pytest.fixture
def wavcaps(tmp_path: Path) -> Path:
    tables = {
        "FreeSound/fsd_final.json": [
            {"id": "180913", "caption": "Rain falls. ", "duration": 2, "tags": ["rain"]},
            {"id": 7, "caption": "Rain falls.", "duration": 2, "author": "Ann", "href": "/7"},
        ],
        "BBC_Sound_Effects/bbc_final.json": [{"id": "NHU1", "caption": "A fox barks."}],
        "AudioSet_SL/as_final.json": [{"id": "Yr1nicOVtvkQ.wav", "caption": "Water pours."}],
    }
    for place, rows in tables.items():
        path = tmp_path / "json_files" / place
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"num_captions_per_audio": 1, "data": rows}))
    for place in (
        "FreeSound_flac/180913.flac",
        "FreeSound_flac/7.flac",
        "BBC_Sound_Effects_flac/NHU1.flac",
        "audio/AudioSet_SL_flac/Yr1nicOVtvkQ.flac",
    ):
        write_wav(tmp_path / place)
    return tmp_path


def test_wavcaps(wavcaps: Path) -> None:
    clips = by_id(read_corpus("wavcaps", wavcaps))
    assert list(clips) == [
        "wavcaps/freesound/180913",
        "wavcaps/freesound/7",
        "wavcaps/bbc/NHU1",
        "wavcaps/audioset_sl/Yr1nicOVtvkQ",
    ]
    rain = clips["wavcaps/freesound/180913"]
    assert (rain.captions, rain.freesound_id, rain.split) == (("Rain falls.",), "180913", "train")
    assert (rain.duration_s, rain.source, rain.tags) == (0.5, "wavcaps/freesound", ("rain",))
    seven = clips["wavcaps/freesound/7"]
    assert (seven.freesound_id, seven.group, seven.author) == ("7", rain.id, "Ann")
    assert clips["wavcaps/bbc/NHU1"].freesound_id is None
    assert clips["wavcaps/audioset_sl/Yr1nicOVtvkQ"].youtube_id == "r1nicOVtvkQ"


def test_wavcaps_parts(wavcaps: Path) -> None:
    assert len(read_corpus("wavcaps", wavcaps, options={"parts": "freesound, bbc"})) == 3
    with pytest.raises(DataError, match=r"no WavCaps part soundbible\n.*sb_final\.json"):
        read_corpus("wavcaps", wavcaps, options={"parts": "soundbible"})
    with pytest.raises(RecipeError, match="did you mean 'freesound'"):
        read_corpus("wavcaps", wavcaps, options={"parts": "freesounds"})


@pytest.mark.parametrize(
    ("document", "said"),
    [([], "no WavCaps table"), ({"data": [{"id": "1"}]}, "a row is not as WavCaps has it")],
)
def test_wavcaps_that_is_not(tmp_path: Path, document: object, said: str) -> None:
    (tmp_path / "sb_final.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=said):
        read_corpus("wavcaps", tmp_path)


def test_lass2024(tmp_path: Path) -> None:
    mixtures = [("a", "b", "5", "a dog"), ("a", "c", "1", "a dog"), ("a", "b", "0", "barks")]
    rows = [
        dict(zip(("source", "noise", "snr", "caption"), row, strict=True))
        for row in [*mixtures, ("b", "a", "3", "rain")]
    ]
    write_csv(tmp_path / "lass_synthetic_validation.csv", rows)
    for name in "ab":
        write_wav(tmp_path / "lass_validation" / f"{name}.wav")
    first, second = read_corpus("lass2024", tmp_path)
    assert (first.id, first.captions) == ("lass2024/a", ("a dog", "barks"))
    assert (second.id, second.split) == ("lass2024/b", "validation")


def test_lass2024_without_captions(tmp_path: Path) -> None:
    write_csv(tmp_path / "lass_synthetic_validation.csv", [{"source": "a", "noise": "b"}])
    with pytest.raises(DataError, match=r"no column caption\n.*source, noise"):
        read_corpus("lass2024", tmp_path)


def test_macs(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    name = "airport-barcelona-0-0-a.wav"
    (tmp_path / "MACS.yaml").write_text(
        "files:\n"
        f"- filename: {name}\n"
        "  annotations:\n"
        "  - {annotator_id: 1, sentence: people talk, tags: [adults_talking, footsteps]}\n"
        "  - {annotator_id: 2, sentence: a hall, tags: [adults_talking]}\n"
    )
    write_wav(tmp_path / "TAU-urban-acoustic-scenes-2019-development" / "audio" / name)
    (clip,) = read_corpus("macs", tmp_path)
    assert (clip.id, clip.captions) == (f"macs/{name}", ("people talk", "a hall"))
    assert (clip.label, clip.tags) == ("airport", ("adults talking", "footsteps"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("files: [", "MACS.yaml"),
        ("else: 1", "no list called files"),
        ("files: [{filename: a.wav}]", "not as MACS has it"),
    ],
)
def test_macs_that_is_not(tmp_path: Path, text: str, said: str) -> None:
    pytest.importorskip("yaml")
    (tmp_path / "MACS.yaml").write_text(text)
    with pytest.raises(DataError, match=said):
        read_corpus("macs", tmp_path)


def test_laion630k(tmp_path: Path) -> None:
    documents: dict[str, dict[str, object]] = {
        "freesound_no_overlap/train/1": {
            "text": ["rain on a roof", ""],
            "tag": ["rain"],
            "original_data": {"id": 203913, "license": "CC0", "username": "Ann"},
        },
        "audiostock/valid/7": {"text": "a bell", "tag": [], "original_data": {"id": 5}},
    }
    for place, document in documents.items():
        write_wav(tmp_path / f"{place}.flac")
        (tmp_path / f"{place}.json").write_text(json.dumps(document))
    (tmp_path / "freesound_no_overlap" / "train" / "sizes.json").write_text("{}")
    clips = by_id(read_corpus("laion630k", tmp_path))
    rain = clips["laion630k/freesound_no_overlap/train/1"]
    assert (rain.captions, rain.freesound_id) == (("rain on a roof",), "203913")
    assert (rain.split, rain.licence, rain.author) == ("train", "CC0", "Ann")
    assert rain.source == "laion630k/freesound_no_overlap"
    bell = clips["laion630k/audiostock/valid/7"]
    assert (bell.captions, bell.freesound_id, bell.split) == (("a bell",), None, "validation")


def test_laion630k_that_is_packed(tmp_path: Path) -> None:
    (tmp_path / "0.tar").write_bytes(b"")
    with pytest.raises(DataError, match=r"no \.json files\n.*unpack .*0\.tar"):
        read_corpus("laion630k", tmp_path)
    (tmp_path / "1.json").write_text('{"tag": []}')
    with pytest.raises(DataError, match=r"1\.json has no text"):
        read_corpus("laion630k", tmp_path)
