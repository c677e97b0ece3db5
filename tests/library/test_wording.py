from __future__ import annotations

import pytest

from soundseek.library.wording import name_words, split_words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rain_onTin-roof02", "rain on Tin roof 02"),
        ("FXDoorSlam", "FX Door Slam"),
        ("120bpm.loop", "120 bpm loop"),
        ("café_crème", "café crème"),
        ("DOOR", "DOOR"),
        ("雨の音", "雨の音"),
        ("__--..", ""),
        ("bad\udcffname", "bad name"),
    ],
)
def test_split_words(name: str, words: str) -> None:
    assert split_words(name) == words


def test_name_words_begin_at_the_root() -> None:
    path = "/home/me/Sound Library/doors/WoodDoor_open.wav"
    assert name_words(path, "/home/me/Sound Library") == (
        "Sound Library doors",
        "Wood Door open WoodDoor",
    )
    assert name_words(path, "/home/me/Sound Library/doors") == ("doors", "Wood Door open WoodDoor")


def test_name_words_with_the_root_of_the_disk() -> None:
    assert name_words("/fx/bell.wav", "/") == ("fx", "bell")
