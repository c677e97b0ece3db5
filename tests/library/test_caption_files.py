"""Captions that people wrote, from a table to their clips."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundseek.errors import DataError
from soundseek.library import Library
from soundseek.library.caption_files import read_captions


def _table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_several_columns_and_others_between(tmp_path: Path) -> None:
    table = _table(
        tmp_path / "t.csv",
        '\ufefffile_name,Caption_1,note,caption_2\na.wav,"rain, heavy",x,\n\nb.wav,雨,,wind\n',
    )
    assert read_captions(table) == [("a.wav", ["rain, heavy", ""]), ("b.wav", ["雨", "wind"])]


@pytest.mark.parametrize(
    "text",
    ["path,text\na,b\n", "caption\nb\n", "path,file,caption\na,b,c\n", "", "path,caption\na\n"],
)
def test_tables_that_are_none(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"t\.csv"):
        read_captions(_table(tmp_path / "t.csv", text))


@pytest.fixture
def indexed(library: Library, sounds: Path) -> Library:
    library.index([sounds])
    return library


def _texts(library: Library, path: Path) -> list[str]:
    return [caption.text for caption in library.captions(path)]


def test_files_by_path_by_name_and_by_the_end_of_a_path(
    indexed: Library, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sounds)
    report = indexed.add_captions(
        [
            (sounds / "low.wav", "one"),
            ("clicks.wav", ["two", "two", " "]),
            ("tones/high.wav", "three"),
            ("Middle_Tone02.WAV", ["four"]),
            ("wrong/high.wav", "five"),
            ("/elsewhere/low.wav", "six"),
            ("absent.wav", "seven"),
            ("", "eight"),
        ]
    )
    assert (report.added, report.known, report.clips) == (4, 0, 4)
    assert [one.path for one in report.unknown] == [
        "wrong/high.wav",
        "/elsewhere/low.wav",
        "absent.wav",
        "",
    ]
    assert {one.reason for one in report.unknown} == {"is not in the library"}
    assert _texts(indexed, sounds / "tones" / "high.wav") == ["three"]
    assert report.to_dict()["unknown"][2] == {
        "path": "absent.wav",
        "reason": "is not in the library",
    }


def test_a_name_that_several_sounds_have(
    library: Library, sounds: Path, write_sound, tmp_path: Path
) -> None:
    from support.tiny_bundle import noise, sine

    for number in (1, 2):
        write_sound(sounds / str(number) / "same.wav", sine(300 * number))
        write_sound(sounds / str(number) / "copy.wav", noise(1.0))
    library.index([sounds])
    report = library.add_captions(
        [("same.wav", "which?"), ("2/same.wav", "this"), ("copy.wav", "both are one sound")]
    )
    assert [(one.path, "several sounds" in one.reason) for one in report.unknown] == [
        ("same.wav", True)
    ]
    assert _texts(library, sounds / "2" / "same.wav") == ["this"]
    assert _texts(library, sounds / "1" / "copy.wav") == ["both are one sound"]


def test_names_in_another_unicode_form(library: Library, sounds: Path, write_sound) -> None:
    from support.tiny_bundle import sine

    write_sound(sounds / "Gera\u0308usch.wav", sine(300))
    library.index([sounds])
    assert library.add_captions([("Ger\u00e4usch.wav", "ein Geräusch")]).added == 1


def test_the_same_again_changes_nothing(indexed: Library, sounds: Path) -> None:
    rows = [("low.wav", ["one", "two"]), ("noise.wav", "hiss")]
    indexed.add_captions(rows)
    report = indexed.add_captions(rows)
    assert (report.added, report.known) == (0, 3)
    assert indexed.search("hiss", k=1)[0].caption == "hiss"


def test_again_replaces_those_of_the_named_files(indexed: Library, sounds: Path) -> None:
    indexed.add_captions([("low.wav", ["one", "two"]), ("noise.wav", "hiss")])
    report = indexed.add_captions([("low.wav", ["two", "three"])], again=True)
    assert (report.added, report.known, report.replaced) == (1, 1, 1)
    assert _texts(indexed, sounds / "low.wav") == ["two", "three"]
    assert _texts(indexed, sounds / "noise.wav") == ["hiss"]


def test_captions_in_any_script(indexed: Library, sounds: Path) -> None:
    indexed.add_captions([("low.wav", "雨の音"), ("noise.wav", "Ein Öltröpfchen fällt")])
    assert Path(indexed.search("雨の音 low", k=1)[0].path).name == "low.wav"
    (hit,) = [hit for hit in indexed.search("oltropfchen hum") if hit.name_rank == 1]
    assert hit.caption == "Ein Öltröpfchen fällt"
