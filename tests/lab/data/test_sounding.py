from __future__ import annotations

from pathlib import Path

import pytest

from soundseek.errors import DataError, RecipeError
from soundseek.lab.data.sounding import SoundIndex, with_sound
from support.corpora import RATE, make_clip, write_wav

pytestmark = pytest.mark.lab


def test_files_are_found_by_every_spelling(tmp_path: Path) -> None:
    found = write_wav(tmp_path / "b" / "Chris' Elevator.flac")
    spaced = write_wav(tmp_path / "b" / " birds.wav")
    index = SoundIndex(tmp_path / "none", tmp_path / "b")
    assert index.path("Chris&#39; Elevator.wav") == str(found)
    assert index.path("missing.wav", "Chris' Elevator.wav") == str(found)
    assert index.path(" birds.wav") == str(spaced)
    assert index.path("missing.wav", "other.wav") == str(tmp_path / "none" / "missing.wav")


def test_only_sounds_are_found_and_the_first_folder_wins(tmp_path: Path) -> None:
    first, _ = write_wav(tmp_path / "a" / "x.wav"), write_wav(tmp_path / "b" / "x.wav")
    (tmp_path / "a" / "y.json").write_text("{}")
    index = SoundIndex(tmp_path / "a", tmp_path / "b")
    assert index.path("x.wav") == str(first)
    assert index.path("y.wav") == str(tmp_path / "a" / "y.wav")


def test_duration_and_rate_are_the_files_own(tmp_path: Path) -> None:
    path = str(write_wav(tmp_path / "a.wav", 0.75))
    sounded = with_sound([make_clip("a", path=path, duration_s=9.0)], "required")
    (clip,) = sounded.clips
    assert (clip.duration_s, clip.sample_rate, clip.has_audio) == (0.75, RATE, True)
    assert sounded.without == {}


def test_a_part_of_a_file_keeps_its_duration(tmp_path: Path) -> None:
    path = str(write_wav(tmp_path / "a.wav", 1.0))
    part = make_clip("a", path=path, start_s=0.5, duration_s=0.25)
    assert with_sound([part], "required").clips[0].duration_s == 0.25


def test_what_becomes_of_clips_without_sound(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound at all")
    clips = [
        make_clip("good", path=str(write_wav(tmp_path / "good.wav"))),
        make_clip("bad", path=str(tmp_path / "bad.wav")),
        make_clip("gone", path=str(tmp_path / "gone.wav"), duration_s=7.0),
    ]
    with pytest.raises(DataError, match=r"2 of 3 clips .*bad\.wav.*gone\.wav.*\n.*audio=present"):
        with_sound(clips, "required")
    present = with_sound(clips, "present")
    assert [clip.id for clip in present.clips] == ["good"]
    assert set(present.without) == {"bad", "gone"}
    optional = with_sound(clips, "optional")
    assert [(clip.id, clip.has_audio) for clip in optional.clips] == [
        ("good", True),
        ("bad", False),
        ("gone", False),
    ]
    assert optional.clips[2].duration_s == 7.0
    assert "no such file" in optional.without["gone"]


def test_progress_is_told(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    clips = [make_clip("a"), make_clip("b")]
    with_sound(clips, "optional", on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_an_unknown_policy_lists_the_choices() -> None:
    with pytest.raises(RecipeError, match="did you mean 'required'"):
        with_sound([], "require")
