from __future__ import annotations

import json
from pathlib import Path

import pytest

from soundseek.library import Library
from support.command_line import succeeded, typed, write_sound, write_sounds
from support.tiny_bundle import sine


def test_it_tells_what_was_done_and_where(home: Path) -> None:
    write_sounds(home / "sounds")
    result = typed("index", "sounds")
    assert result.exit_code == 0
    assert result.stdout.startswith("Listened to 18 s of sound in ")
    assert "× real time" in result.stdout
    assert "  6 new\n" in result.stdout
    assert result.stdout.endswith("library: library\n")
    assert "soundseek search" in result.stderr


def test_the_second_time_only_changes_are_listened_to(home: Path) -> None:
    files = write_sounds(home / "sounds")
    succeeded("index", "sounds")
    assert succeeded("index", "sounds").startswith("Nothing new to listen to")
    write_sound(files["low"], sine(300))
    files["high"].rename(home / "sounds" / "moved.wav")
    files["noise"].unlink()
    assert "1 changed, 1 moved or copied, 3 known, 1 missing" in succeeded("index", "sounds")


def test_without_folders_the_known_ones_are_looked_through(home: Path) -> None:
    write_sounds(home / "sounds")
    succeeded("index", "sounds")
    write_sound(home / "sounds" / "later.wav", sine(500))
    assert "1 new, 6 known" in succeeded("index")


def test_without_folders_there_must_be_a_library() -> None:
    result = typed("index")
    assert result.exit_code == 2
    assert "there is no library" in result.stderr


def test_failures_are_listed_with_reasons_and_the_exit_code_tells(home: Path) -> None:
    write_sounds(home / "sounds")
    for number in range(22):
        (home / "sounds" / f"bad{number:02}.wav").write_text(f"no sound {number}" * 99)
    result = typed("index", "sounds")
    assert result.exit_code == 1
    assert "22 files could not be read:\n" in result.stdout
    shown = str(Path("sounds", "bad19.wav"))
    assert shown in result.stdout
    assert str(Path("sounds", "bad20.wav")) not in result.stdout
    assert "and 2 more: soundseek library failures lists them all" in result.stdout
    again = typed("index", "sounds")
    assert again.exit_code == 0, "they are not tried again, and not told again"
    assert typed("index", "sounds", "--retry-failed").exit_code == 1


def test_json_is_one_object_on_stdout(home: Path) -> None:
    write_sounds(home / "sounds")
    (home / "sounds" / "bad.wav").write_bytes(b"")
    result = typed("index", "sounds", "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (report["added"], report["interrupted"]) == (6, False)
    assert report["library"] == str(home / "library")
    assert report["failed"][0]["path"] == str(home / "sounds" / "bad.wav")


def test_globs_tags_and_threads_reach_the_library(home: Path) -> None:
    write_sounds(home / "sounds")
    succeeded(
        *("index", "sounds", "--include", "rec*", "--exclude", "rec0.wav", "--exclude", "rec1.*"),
        *("--tag", "field", "--tag", "night", "--threads", "1"),
    )
    with Library.open(home / "library", read_only=True) as library:
        hits = library.search("a high tone", k=10)
    assert {Path(hit.path).name for hit in hits} == {f"rec{n}.wav" for n in (2, 3, 4, 5)}
    assert {hit.tags for hit in hits} == {("field", "night")}


def test_the_option_chooses_the_library_over_the_environment(home: Path) -> None:
    write_sounds(home / "sounds")
    assert succeeded("index", "sounds", "--library", "other").endswith("library: other\n")
    assert not (home / "library").exists()


@pytest.mark.parametrize("options", [(), ("--rebuild",)])
def test_a_mistyped_folder_neither_makes_nor_empties_a_library(
    options: tuple[str, ...], home: Path
) -> None:
    assert typed("index", "nowhere", *options).exit_code == 2
    assert not (home / "library").exists()
    write_sounds(home / "sounds")
    succeeded("index", "sounds")
    result = typed("index", "nowhere", *options)
    assert result.exit_code == 2
    assert result.stderr == "error: there is no nowhere\n  → check the path\n"
    assert json.loads(succeeded("library", "status", "--json"))["clips"] == 6


def test_rebuild_listens_to_every_file_again(home: Path) -> None:
    write_sounds(home / "sounds")
    succeeded("index", "sounds")
    assert succeeded("index", "sounds", "--rebuild").startswith("Listened to 18 s of sound")


@pytest.mark.parametrize("threads", ["0", "-1", "many"])
def test_impossible_threads_are_refused(threads: str, home: Path) -> None:
    result = typed("index", ".", "--threads", threads)
    assert result.exit_code == 2
    assert "--threads" in result.stderr


def test_a_folder_without_a_name(home: Path) -> None:
    result = typed("index", "")
    assert result.exit_code == 2
    assert "empty name" in result.stderr
