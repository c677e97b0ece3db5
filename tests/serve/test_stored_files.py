"""From ids to files: only what was indexed, and only while it is what was indexed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from soundseek.library import Library
from soundseek.serve.problems import Problem
from soundseek.serve.stored_files import StoredFile, check_on_disk, find_file, opened, row_id


@pytest.fixture
def sound(sounds: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    return Path(shutil.copy2(sounds / "weather/rain.wav", folder / "rain.wav"))


@pytest.fixture
def stored(sound: Path, tmp_path: Path) -> StoredFile:
    return _indexed(sound.parent, tmp_path / "own library")


def _indexed(folder: Path, library_folder: Path) -> StoredFile:
    with Library.open(library_folder, create=True) as library:
        library.index([folder], threads=1)
        ((file_id,),) = library.database.query("SELECT id FROM files")
        return find_file(library.database, str(file_id))


def _refused(file: StoredFile) -> Problem:
    with pytest.raises(Problem) as raised:
        check_on_disk(file)
    assert raised.value.status == 409
    assert raised.value.remedy == "index its folder again"
    return raised.value


def test_an_indexed_file_is_opened(stored: StoredFile, sound: Path) -> None:
    assert (stored.path, stored.name, stored.format) == (str(sound), "rain.wav", "wav")
    with opened(stored) as handle:
        assert handle.read() == sound.read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "+1",
        "01",
        "1.0",
        "1e3",
        " 1",
        "1 ",
        "0x1",
        "..",
        "1/../2",
        "%31",
        "١",
        "²",
        "9" * 19,
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(Problem) as raised:
        row_id(text)
    assert raised.value.status == 422


def test_an_id_that_no_file_has(stored: StoredFile, tmp_path: Path) -> None:
    with Library.open(tmp_path / "own library") as library, pytest.raises(Problem) as raised:
        find_file(library.database, "12345")
    assert raised.value.status == 404


def test_a_missing_file_of_the_library_has_no_id(
    stored: StoredFile, sound: Path, sounds: Path, tmp_path: Path
) -> None:
    sound.unlink()
    shutil.copy(sounds / "machines/siren.wav", sound.with_name("other.wav"))
    with Library.open(tmp_path / "own library") as library:
        library.index([sound.parent], threads=1)
        with pytest.raises(Problem, match="there is no clip"):
            find_file(library.database, stored.id)


def test_a_file_that_is_gone(stored: StoredFile, sound: Path) -> None:
    sound.unlink()
    assert "No such file" in _refused(stored).detail


def test_a_file_with_other_content(stored: StoredFile, sound: Path) -> None:
    sound.write_bytes(sound.read_bytes() + b"more")
    assert "has changed" in _refused(stored).detail


def test_a_file_with_another_time(stored: StoredFile, sound: Path) -> None:
    os.utime(sound, ns=(1, 1))
    assert "has changed" in _refused(stored).detail


def test_a_folder_or_a_pipe_in_its_place(stored: StoredFile, sound: Path) -> None:
    sound.unlink()
    sound.mkdir()
    _refused(stored)
    sound.rmdir()
    os.mkfifo(sound)
    assert "has changed" in _refused(stored).detail


def test_a_link_that_was_swapped_in_with_the_same_size_and_time(
    stored: StoredFile, sound: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * stored.size)
    os.utime(secret, ns=(stored.mtime_ns, stored.mtime_ns))
    sound.unlink()
    sound.symlink_to(secret)
    assert "is a link to something that was not indexed" in _refused(stored).detail


def test_a_folder_that_was_swapped_for_a_link(
    stored: StoredFile, sound: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "rain.wav").write_bytes(b"s" * stored.size)
    os.utime(elsewhere / "rain.wav", ns=(stored.mtime_ns, stored.mtime_ns))
    sound.unlink()
    sound.parent.rmdir()
    sound.parent.symlink_to(elsewhere)
    assert "is a link to something that was not indexed" in _refused(stored).detail


def test_links_that_were_indexed_are_followed(sound: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "folder").symlink_to(sound.parent)
    file = _indexed(linked, tmp_path / "library of links")
    assert file.path == str(linked / "folder" / "rain.wav")
    for _ in range(2):  # the second time from memory
        with opened(file) as handle:
            assert handle.read() == sound.read_bytes()
