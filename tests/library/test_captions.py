"""How captions live with their clips."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from soundseek.errors import LibraryError
from soundseek.library import Library
from soundseek.library.captions import one_line
from support.captioning import FakeCaptioner
from support.tiny_bundle import make_tiny_bundle


@pytest.fixture
def captioned(library: Library, sounds: Path) -> Library:
    """The five sounds, each with a generated caption, two of them with one by the user."""
    library.index([sounds])
    library.caption(FakeCaptioner(library.bundle.fingerprint))
    library.add_captions([("low.wav", "a low hum"), ("clicks.wav", ["clicks", "short clicks"])])
    return library


def _texts(library: Library, path: Path) -> list[str]:
    return [caption.text for caption in library.captions(path)]


def _count(library: Library) -> tuple[int, int]:
    return tuple(
        library.database.query(f"SELECT count(*) FROM {table}")[0][0]
        for table in ("captions", "captions_text")
    )  # type: ignore[return-value]


def test_the_users_come_first(captioned: Library, sounds: Path) -> None:
    first, second, third = captioned.captions(sounds / "clicks.wav")
    assert (first.text, first.source, first.captioner, first.score) == (
        "clicks",
        "user",
        None,
        None,
    )
    assert second.text == "short clicks"
    assert third.to_dict() == {
        "text": "a sound of 1 windows",
        "source": "c" * 64,
        "captioner": "fake c",
        "score": -0.5,
    }
    with pytest.raises(LibraryError, match=r"absent\.wav is not in the library"):
        captioned.captions(sounds / "absent.wav")


def test_hits_and_status_tell(captioned: Library) -> None:
    captions = {Path(hit.path).name: hit.caption for hit in captioned.search("low")}
    assert captions["low.wav"] == "a low hum"
    assert captions["high.wav"] == "a sound of 2 windows"
    assert captioned.search("low", k=1)[0].to_dict()["caption"] == "a low hum"
    assert captioned.status().captioned == 5
    assert captioned.verify().ok


def test_indexing_again_keeps_them(captioned: Library, sounds: Path) -> None:
    before = _count(captioned)
    assert captioned.index([sounds]).unchanged == 5
    assert captioned.index([sounds], rebuild=True).unchanged == 5
    assert _count(captioned) == before == (8, 8)
    assert _texts(captioned, sounds / "low.wav")[0] == "a low hum"


def test_a_moved_file_keeps_them_and_a_copy_shares_them(captioned: Library, sounds: Path) -> None:
    (sounds / "low.wav").rename(sounds / "deep.wav")
    shutil.copy(sounds / "deep.wav", sounds / "copy.wav")
    assert captioned.index([sounds]).moved == 1
    for name in ("deep.wav", "copy.wav"):
        assert _texts(captioned, sounds / name) == ["a low hum", "a sound of 1 windows"]


def test_a_file_with_new_content_loses_them(captioned: Library, sounds: Path) -> None:
    shutil.copy(sounds / "noise.wav", sounds / "low.wav")
    captioned.index([sounds])
    assert _texts(captioned, sounds / "low.wav") == ["a sound of 1 windows"]
    assert "a low hum" not in str(captioned.database.query("SELECT text FROM captions"))


def test_removing_clips_removes_captions(captioned: Library, sounds: Path) -> None:
    assert captioned.remove([sounds / "low.wav"]) == 1
    assert _count(captioned) == (6, 6)
    captioned.remove([sounds])
    assert _count(captioned) == (0, 0)
    assert captioned.status().captioned == 0
    assert captioned.verify().ok


def test_what_people_wrote_survives_another_model(
    captioned: Library, sounds: Path, tmp_path: Path
) -> None:
    other = make_tiny_bundle(tmp_path / "other")
    text = (other / "bundle.json").read_text().replace('"tiny"', '"other"', 1)
    (other / "bundle.json").write_text(text)
    captioned.close()
    with Library.open(tmp_path / "library", bundle=other, rebuild=True) as library:
        assert library.bundle.name == "other"
        assert library.status().captioned == 0
        assert library.search("low") == []
        assert library.index([sounds / "low.wav"], rebuild=True).added == 1
        assert _texts(library, sounds / "low.wav") == ["a low hum"]
        assert library.search("low", k=1)[0].caption == "a low hum"
        assert library.index([sounds]).added == 4
        assert _texts(library, sounds / "clicks.wav") == ["clicks", "short clicks"]
        vectors = library.database.query("SELECT length(vector) FROM captions")
        assert vectors == [(2 * library.bundle.dimension,)] * 3
        assert library.verify().ok


def test_export_has_them(captioned: Library, tmp_path: Path) -> None:
    import csv
    import json

    captioned.export(tmp_path / "all.json", format="json")
    rows = {Path(row["path"]).name: row for row in json.loads((tmp_path / "all.json").read_text())}
    assert rows["clicks.wav"]["captions"] == ["clicks", "short clicks", "a sound of 1 windows"]
    captioned.export(tmp_path / "all.csv")
    with (tmp_path / "all.csv").open(newline="") as file:
        table = {Path(row["path"]).name: row["captions"] for row in csv.DictReader(file)}
    assert table["low.wav"] == "a low hum\na sound of 1 windows"


def test_verify_sees_a_caption_without_its_words(captioned: Library) -> None:
    with captioned.database.transaction() as connection:
        connection.execute("DELETE FROM captions_text WHERE rowid = 1")
    assert "caption 1: half an entry" in captioned.verify().problems[0]


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("  a  dog\nbarks\t", "a dog barks"),
        ("ein Hündchen 雨", "ein Hündchen 雨"),
        ("a\0b \udcff", "a b ?"),
        (" \n", ""),
    ],
)
def test_a_caption_is_one_line_that_can_be_encoded(text: str, stored: str) -> None:
    assert one_line(text) == stored
