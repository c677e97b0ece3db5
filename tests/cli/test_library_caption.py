from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from soundseek.errors import BundleError
from soundseek.library import captioning
from support.captioning import FakeCaptioner
from support.command_line import succeeded, typed, write_sound, write_sounds
from support.tiny_bundle import sine


@pytest.fixture
def own(home: Path) -> dict[str, Path]:
    """A library of the test's own; word → file."""
    files = write_sounds(home / "sounds")
    succeeded("index", "sounds")
    return files


@pytest.fixture(autouse=True)
def captioners(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Take the place of the captioners; returns the names that were asked for."""
    asked: list[str | None] = []

    def load_captioner(name=None, *, bundle, threads=None):
        asked.append(name)
        if name == "absent":
            raise BundleError("there is no captioner 'absent'")
        return FakeCaptioner(bundle.fingerprint, lambda windows: "a sound, \x1b[31mred")

    module = ModuleType("soundseek.bundle.captioning.load")
    module.load_captioner = load_captioner  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "soundseek.bundle.captioning", ModuleType("captioning"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return asked


def test_caption_all(own: dict[str, Path], captioners: list[str | None]) -> None:
    result = typed("library", "caption")
    assert result.exit_code == 0
    assert result.stdout.startswith("6 sounds captioned by fake c (")
    assert captioners == [None]
    again = succeeded("library", "caption")
    assert again.startswith("0 sounds captioned by fake c, 6 had a caption (")
    assert succeeded("library", "caption", "--again").startswith("6 sounds captioned")
    assert "captions    of 6 sounds" in succeeded("library", "status")
    assert json.loads(succeeded("library", "status", "--json"))["captioned"] == 6


def test_caption_as_json(own: dict[str, Path], captioners: list[str | None], home: Path) -> None:
    report = json.loads(succeeded("library", "caption", "--captioner", "mine", "--json"))
    assert captioners == ["mine"]
    assert report["library"] == str(home / "library")
    assert (report["captioned"], report["known"], report["interrupted"]) == (6, 0, False)


def test_an_interrupted_run_ends_with_130(
    own: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(captioning, "_caption_batch", interrupt)
    result = typed("library", "caption")
    assert result.exit_code == 130
    assert "goes on from here" in result.stderr


def test_captions_of_people(own: dict[str, Path], home: Path) -> None:
    (home / "mine.csv").write_text(
        "file_name,caption_1,caption_2\nrec0.wav,un bruit étrange,\nabsent.wav,nothing,\n", "utf-8"
    )
    result = typed("library", "caption", "--from", "mine.csv")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "1 caption added to 1 sound",
        "1 file of the table left out:",
        "  absent.wav",
        "      is not in the library",
    ]
    (home / "mine.csv").write_text("path,caption\nrec0.wav,a strange noise\n")
    report = json.loads(succeeded("library", "caption", "--from", "mine.csv", "--again", "--json"))
    assert (report["added"], report["replaced"], report["unknown"]) == (1, 1, [])
    (first, *_) = json.loads(succeeded("search", "strange", "noise", "--json"))["hits"]
    assert Path(first["path"]).name in ("rec0.wav", own["noise"].name)
    named = {hit["name_rank"]: hit for hit in _hits("strange", "noise")}
    assert named[1]["caption"] == "a strange noise"


def _hits(*arguments: str) -> list[dict[str, object]]:
    hits: list[dict[str, object]] = json.loads(succeeded("search", *arguments, "--json"))["hits"]
    return hits


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--captioner", "absent"], "there is no captioner"),
        (["--from", "absent.csv"], "absent.csv"),
        (["--from", "bad.csv"], "it needs one of path, file, file_name"),
        (["--from", "bad.csv", "--captioner", "mine"], "takes the place"),
    ],
)
def test_wrong_use(own: dict[str, Path], home: Path, arguments: list[str], message: str) -> None:
    (home / "bad.csv").write_text("sound,caption\na,b\n")
    result = typed("library", "caption", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_index_with_captions(home: Path) -> None:
    write_sounds(home / "sounds")
    assert "6 sounds captioned by fake c" in succeeded("index", "sounds", "--captions")
    write_sound(home / "sounds" / "new.wav", sine(300))
    report = json.loads(succeeded("index", "sounds", "--captions", "--json"))
    assert (report["added"], report["captions"]["captioned"]) == (1, 1)
    assert "captions" not in json.loads(succeeded("index", "sounds", "--json"))


@pytest.fixture
def with_captions(own: dict[str, Path], home: Path) -> Callable[[str], None]:
    """Call it to give rec2.wav a caption."""

    def write(text: str) -> None:
        with (home / "mine.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["path", "caption"], ["rec2.wav", text]])
        succeeded("library", "caption", "--from", "mine.csv")

    return write


def test_the_table_has_the_caption_below_its_hit(with_captions: Callable[[str], None]) -> None:
    with_captions("a tone " * 30 + "\x1b[31mred")
    heading, first, caption, second, *_ = succeeded("search", "a high tone", "-k", "2").splitlines()
    assert heading.split() == ["#", "sound", "name", "where", "length", "file"]
    assert first.endswith("rec2.wav")
    assert caption.startswith("   a tone a tone")
    assert len(caption) <= 80
    assert caption.endswith("…")
    assert second.split()[0] == "2"


def test_a_caption_cannot_steer_the_terminal(with_captions: Callable[[str], None]) -> None:
    with_captions("red \x1b[31m alert")
    assert "red \\x1b[31m alert" in succeeded("search", "high", "-k", "1")


def test_programs_get_the_caption_too(with_captions: Callable[[str], None]) -> None:
    with_captions("a high, thin tone")
    rows = list(csv.DictReader(io.StringIO(succeeded("search", "high", "--csv", "-k", "2"))))
    assert [row["caption"] for row in rows] == ["a high, thin tone", ""]
    assert [hit["caption"] for hit in _hits("high", "-k", "2")] == ["a high, thin tone", None]


def test_captions_count_as_much_as_asked(with_captions: Callable[[str], None]) -> None:
    with_captions("zebra")

    def ranks(*more: str) -> set[object]:
        return {hit["name_rank"] for hit in _hits("zebra", "low", *more)}

    assert 1 in ranks()
    assert 1 in ranks("--captions", "0.5")
    assert ranks("--no-captions") == ranks("--captions", "0") == {None}
    for wrong in (["--captions", "2"], ["--captions", "0.1", "--no-captions"]):
        assert typed("search", "low", *wrong).exit_code == 2
