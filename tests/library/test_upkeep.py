from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from soundseek.errors import LibraryError
from soundseek.library import Library
from soundseek.library.lock import writer_lock
from support.tiny_bundle import sine

WriteSound = Callable[..., Path]


@pytest.fixture
def filled(library: Library, sounds: Path) -> Library:
    (sounds / "bad.wav").write_text("no sound" * 99)
    library.index([sounds])
    return library


def _change(library: Library, statement: str, *values: object) -> None:
    with library.database.transaction() as connection:
        connection.execute(statement, values)


def test_status(filled: Library, sounds: Path) -> None:
    (sounds / "low.wav").unlink()
    filled.index([sounds])
    document = json.loads(json.dumps(filled.status().to_dict()))
    assert document.pop("size_bytes") > 10_000
    assert document.pop("duration_s") == pytest.approx(10.0)
    assert document == {
        "clips": 5,
        "windows": 6,
        "files": 4,
        "missing": 1,
        "failed": 1,
        "bundle": "tiny",
        "fingerprint": filled.bundle.fingerprint,
        "roots": [str(sounds)],
        "captioned": 0,
    }


def test_status_of_an_empty_library(library: Library) -> None:
    status = library.status()
    assert (status.clips, status.windows, status.duration_s, status.roots) == (0, 0, 0.0, ())
    assert library.failures() == []
    assert library.verify().to_dict() == {
        "ok": True,
        "clips": 0,
        "files": 0,
        "deep": False,
        "problems": (),
    }


def test_failures(filled: Library, sounds: Path) -> None:
    (failure,) = filled.failures()
    assert failure.path == str(sounds / "bad.wav")
    assert "cannot be decoded" in failure.reason


def test_verify_finds_nothing_in_a_good_library(filled: Library) -> None:
    report = filled.verify(deep=True)
    assert report.ok
    assert (report.clips, report.files, report.deep) == (5, 5, True)


@pytest.mark.parametrize(
    ("statement", "value", "problem"),
    [
        ("UPDATE clips SET windows = ? WHERE id = 1", b"xx", "wrong size"),
        ("UPDATE clips SET vector = ? WHERE id = 1", bytes(64), "not of length 1"),
        (
            "UPDATE clips SET vector = ? WHERE id = 1",
            np.full(32, np.nan, "<f2").tobytes(),
            "not of length 1",
        ),
        ("DELETE FROM names WHERE rowid = ?", 1, "half an entry"),
        ("UPDATE files SET clip_id = ? WHERE id = 1 AND state = 'present'", None, "half an entry"),
    ],
)
def test_verify_finds_damage(
    library: Library, sounds: Path, statement: str, value: object, problem: str
) -> None:
    library.index([sounds], threads=1)
    _change(library, statement, value)
    (line,) = library.verify().problems
    assert problem in line
    assert "--rebuild" in line


def test_verify_finds_broken_references(filled: Library) -> None:
    filled.database.connection.execute("PRAGMA foreign_keys = OFF")
    _change(filled, "DELETE FROM clips WHERE id = 1")
    assert any("points to nothing in clips" in line for line in filled.verify().problems)


def test_verify_looks_at_the_files(filled: Library, sounds: Path) -> None:
    (sounds / "low.wav").unlink()
    os.utime(sounds / "noise.wav", (1, 1))
    clicks = sounds / "clicks.wav"
    status = clicks.stat()
    content = bytearray(clicks.read_bytes())
    content[-1] ^= 1
    clicks.write_bytes(content)
    os.utime(clicks, ns=(status.st_atime_ns, status.st_mtime_ns))
    lines = filled.verify().problems
    assert [line.split(": ")[0] for line in lines] == [
        str(sounds / name) for name in ("low.wav", "noise.wav")
    ]
    assert "No such file" in lines[0]
    assert "changed since it was indexed" in lines[1]
    assert "content differs" in filled.verify(deep=True).problems[0]


def test_remove(filled: Library, sounds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert filled.remove([sounds / "absent.wav"]) == 0
    assert filled.remove([sounds / "low.wav"]) == 1
    assert filled.status().clips == 4
    assert (sounds / "low.wav").exists()
    monkeypatch.chdir(sounds)
    assert filled.remove(["t*s/*.wav", "bad.*"]) == 2
    assert filled.remove(["tones"]) == 1
    assert (filled.status().clips, filled.status().files, filled.status().failed) == (2, 2, 0)
    assert filled.database.query("SELECT count(*) FROM names") == [(2,)]
    assert filled.index([sounds]).added == 3


def test_remove_missing(filled: Library, sounds: Path) -> None:
    (sounds / "low.wav").unlink()
    filled.index([sounds])
    assert filled.remove([], missing=True) == 1
    assert (filled.status().clips, filled.status().missing) == (4, 0)


def test_remove_waits_for_no_writer(filled: Library) -> None:
    with writer_lock(filled.folder), pytest.raises(LibraryError, match="being written"):
        filled.remove(["*"])


@pytest.mark.skipif("sys.platform == 'win32'", reason="Windows has no such names")
def test_a_problem_is_one_line(library: Library, tmp_path: Path, write_sound: WriteSound) -> None:
    odd = write_sound(tmp_path / "sounds" / "two\nlines\x1b[2J.wav", sine(300, 0.5))
    library.index(odd.parent)
    odd.unlink()
    (line,) = library.verify().problems
    assert line.isprintable()
    assert r"two\nlines\x1b[2J.wav" in line


def test_one_path_is_one_path(filled: Library, sounds: Path) -> None:
    assert filled.remove(sounds / "low.wav") == 1
    assert filled.remove(str(sounds / "noise.wav")) == 1
    assert filled.status().files == 3


def test_an_empty_path_is_not_the_current_folder(
    filled: Library, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sounds)
    with pytest.raises(LibraryError, match="empty"):
        filled.remove([""])
    assert filled.status().files == 5


def test_globs_in_a_folder_whose_name_looks_like_one(
    library: Library, tmp_path: Path, write_sound: WriteSound, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "takes [old]"
    for number in range(3):
        write_sound(folder / f"take{number}.wav", sine(300 + number, 0.5))
    library.index(folder)
    monkeypatch.chdir(folder)
    assert library.remove(["take[01].wav"]) == 2
    assert library.remove([folder]) == 1


def test_a_forgotten_folder_is_not_looked_through_again(
    filled: Library, sounds: Path, tmp_path: Path, write_sound: WriteSound
) -> None:
    write_sound(tmp_path / "more" / "hum.wav", sine(100, 0.5))
    filled.index([tmp_path / "more"])
    assert filled.remove([sounds]) == 6
    assert filled.status().roots == (str(tmp_path / "more"),)
    assert filled.index([]).unchanged == 1
