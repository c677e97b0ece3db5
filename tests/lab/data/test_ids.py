from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseek.lab.data.ids import file_key, freesound_id, without_sound_suffix, youtube_id

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("value", [117790, "117790", " 117790\n", "117790.0", 117790.0, "0117790"])
def test_a_freesound_id_is_text_however_it_was_written(value: object) -> None:
    assert freesound_id(value) == "117790"


@pytest.mark.parametrize("value", [None, "", " ", "Not found", "nan", float("nan"), "None"])
def test_what_is_no_freesound_id(value: object) -> None:
    assert freesound_id(value) is None


@given(st.integers(0, 10**9))
def test_numbers_and_their_text_meet(number: int) -> None:
    assert freesound_id(number) == freesound_id(str(number)) == freesound_id(float(number))


def test_different_numbers_stay_different() -> None:
    assert freesound_id("12.5") != freesound_id("12")
    assert freesound_id("10") != freesound_id("1")


@pytest.mark.parametrize(
    "name", ["r1nicOVtvkQ", "Yr1nicOVtvkQ", "Yr1nicOVtvkQ.wav", "Yr1nicOVtvkQ.flac"]
)
def test_a_youtube_id_in_its_spellings(name: str) -> None:
    assert youtube_id(name) == "r1nicOVtvkQ"


def test_a_youtube_id_may_begin_with_y_or_a_dash() -> None:
    assert youtube_id("Y0123456789") == "Y0123456789"
    assert youtube_id("Y-ABCDEFGHIJ.wav") == "-ABCDEFGHIJ"


@pytest.mark.parametrize("name", ["rain", "a name of words", "0123456789ab", "r1nicOVtvk€"])
def test_what_is_no_youtube_id(name: str) -> None:
    assert youtube_id(name) is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Chris&#39; Elevator.wav", "Chris' Elevator.flac"),
        (" Ambience Birds.wav", "ambience birds.WAV"),
        ("audio/rain.ogg", "rain"),
    ],
)
def test_spellings_of_one_file_share_a_key(first: str, second: str) -> None:
    assert file_key(first) == file_key(second)


def test_only_endings_of_sounds_go() -> None:
    assert without_sound_suffix("FR.CTC.08.wav") == "FR.CTC.08"
    assert without_sound_suffix("FR.CTC.08") == "FR.CTC.08"
    assert without_sound_suffix(".wav") == ".wav"
    assert file_key("rain.1.wav") != file_key("rain.2.wav")
