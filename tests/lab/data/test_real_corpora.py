"""What is known of the published corpora, measured on their own files.

SOUNDSEEK_DATA names a folder with text/ (captions of Clotho, AudioCaps, WavCaps' SoundBible, BBC),
SOUNDSEEK_REFERENCE one with dcase/ (metadata of Clotho, the published exclusion lists).
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from soundseek.lab.data.corpora import open_corpus, read_corpus
from soundseek.lab.data.exclusion import exclude, read_list, standard
from soundseek.lab.data.hygiene import check
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.statistics import summary

pytestmark = pytest.mark.lab


def folder(variable: str, below: str) -> Path:
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set: no published files to read")
    return Path(os.environ[variable]) / below


@pytest.fixture(scope="module")
def text() -> Path:
    return folder("SOUNDSEEK_DATA", "text")


@pytest.fixture(scope="module")
def dcase() -> Path:
    return folder("SOUNDSEEK_REFERENCE", "dcase")


@pytest.fixture(scope="module")
def clotho(text: Path, dcase: Path) -> list[Clip]:
    return read_corpus("clotho", text, audio="optional", options={"metadata": str(dcase)})


def of(clips: list[Clip], split: str) -> list[Clip]:
    return [clip for clip in clips if clip.split == split]


def test_clotho_sizes(clotho: list[Clip]) -> None:
    sizes = Counter(clip.split for clip in clotho)
    assert sizes == {"train": 3839, "validation": 1045, "test": 1045}
    assert {len(clip.captions) for clip in clotho} == {5}
    assert not any(clip.licence == "not stated" for clip in clotho)
    assert sum(len(clip.captions) for clip in of(clotho, "test")) == 5225


def test_clotho_quirks(clotho: list[Clip]) -> None:
    report = check(clotho, sounds=False)
    assert len(report.captions_shared) == 16
    assert all(
        name.startswith("clotho/development/")
        for one in report.captions_shared
        for name in one.clips
    )
    # One of the sixteen belongs to three clips.
    assert Counter(len(one.clips) for one in report.captions_shared) == {2: 15, 3: 1}
    assert report.captions_shared_across_groups == ()
    assert {one.subject.removeprefix("clotho: ") for one in report.file_names_crossing} == {
        "01 A pug struggles to breathe 1_14_2008.wav",
        "Bus(Drive_Reverse)_1-2.wav",
        "City Ambience w_ Car Passing_1-2.wav",
        "FREEZER_DOOR_OPEN_CLOSE.wav",
    }
    assert {one.subject for one in report.freesound_ids_crossing} == {
        "66304",
        "86161",
        "86163",
        "130603",
        "137692",
    }
    assert report.without_freesound_id == 19
    assert report.empty_captions == ()


def test_clotho_file_names_keep_their_spaces(clotho: list[Clip]) -> None:
    spaced = [clip.id for clip in clotho if clip.id.rpartition("/")[2].startswith(" ")]
    assert len(spaced) == 3


def test_audiocaps(text: Path) -> None:
    corpus = open_corpus("audiocaps", text, audio="optional")
    sizes = Counter((clip.split, len(clip.captions)) for clip in corpus.clips)
    assert sizes == {("train", 1): 49838, ("validation", 5): 495, ("test", 5): 975}
    assert all(clip.youtube_id and len(clip.youtube_id) == 11 for clip in corpus.clips)
    assert len(corpus.without_sound) == len(corpus.clips)


def test_soundbible_and_bbc(text: Path) -> None:
    soundbible = read_corpus("wavcaps", text, audio="optional")
    assert {(clip.source, clip.split) for clip in soundbible} == {("wavcaps/soundbible", "train")}
    assert len(soundbible) == 1232
    assert not any(clip.freesound_id for clip in soundbible)
    options = {"file_column": "location", "duration_column": "secs"}
    bbc = read_corpus("csv", text / "bbc_sound_effects.csv", audio="optional", options=options)
    assert len(bbc) == 16011
    assert summary(bbc).hours > 100


def test_the_published_lists(dcase: Path) -> None:
    sizes = {
        name: (len(found.freesound_ids), len(found.youtube_ids))
        for name in (
            "blacklist_exclude_all_ac.json",
            "blacklist_exclude_test_ac.json",
            "blacklist_exclude_ub8k_esc50_vggsound.json",
            "dcase2025_task6_excluded_freesound_ids.csv",
        )
        for found in [read_list(dcase / name)]
    }
    assert sizes == {
        "blacklist_exclude_all_ac.json": (5904, 50725),
        "blacklist_exclude_test_ac.json": (2077, 1451),
        "blacklist_exclude_ub8k_esc50_vggsound.json": (2219, 15510),
        "dcase2025_task6_excluded_freesound_ids.csv": (3079, 0),
    }


def test_only_the_union_covers_clotho_and_the_challenge(clotho: list[Clip], dcase: Path) -> None:
    union = standard("clotho_all", dcase)
    kept, report = exclude(clotho, [union])
    assert {clip.freesound_id for clip in kept} == {None}
    assert (len(kept), len(report.excluded)) == (19, 5910)
    wavcaps = read_list(dcase / "blacklist_exclude_all_ac.json")
    challenge = read_list(dcase / "dcase2025_task6_excluded_freesound_ids.csv")
    assert len(union.freesound_ids - wavcaps.freesound_ids) == 2037
    left_by_the_challenges_own = exclude(clotho, [challenge])[0]
    assert Counter(clip.split for clip in left_by_the_challenges_own if clip.freesound_id) == {
        "train": 3828,
        "validation": 1037,
    }


def test_the_clips_without_an_id_are_met_by_the_metadata_of_clotho(
    clotho: list[Clip], dcase: Path
) -> None:
    lists = [
        read_list(dcase / f"clotho_{split}_metadata.csv")
        for split in ("development", "validation", "evaluation")
    ]
    assert exclude(clotho, lists)[0] == []


def test_audiocaps_is_met_by_youtube_ids(text: Path, dcase: Path) -> None:
    clips = read_corpus("audiocaps", text, audio="optional")
    kept, report = exclude(clips, [standard("clotho_all", dcase)])
    assert (len(kept), len(report.excluded)) == (583, 50725)
    assert {item.kind for item in report.excluded} == {"YouTube id"}
