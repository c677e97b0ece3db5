from __future__ import annotations

import os
from pathlib import Path

import pytest

from soundseek.errors import LibraryError
from soundseek.library.scan import Scan, scan


def _files(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * len(name))


def _names(found: Scan, folder: Path) -> list[str]:
    return [os.path.relpath(file.path, folder) for file in found.files]


def test_takes_sounds_by_their_ending_and_leaves_hidden_ones(tmp_path: Path) -> None:
    _files(tmp_path, "b.WAV", "a/c.flac", "a/d.txt", ".e.wav", ".git/f.wav", "wav", "film.mp4")
    found = scan([str(tmp_path)])
    assert _names(found, tmp_path) == ["a/c.flac", "b.WAV", "film.mp4"]
    first = found.files[0]
    status = (tmp_path / "a/c.flac").stat()
    assert (first.size, first.mtime_ns, first.root) == (8, status.st_mtime_ns, str(tmp_path))
    assert found.problems == []


@pytest.mark.parametrize(
    ("include", "exclude", "names"),
    [
        (["*door.wav"], [], ["doors/Old Door.wav"]),
        (["doors/*"], [], ["doors/Old Door.wav", "doors/bell.wav"]),
        (["/doors/*.WAV"], ["*BELL*"], ["doors/Old Door.wav"]),
        ([], ["doors"], ["rain.wav", "wet/doors.wav"]),
        ([], ["doors/"], ["rain.wav", "wet/doors.wav"]),
        ([], ["*/bell.wav", "wet"], ["doors/Old Door.wav", "rain.wav"]),
        (["*.ogg"], [], []),
    ],
)
def test_globs(tmp_path: Path, include: list[str], exclude: list[str], names: list[str]) -> None:
    _files(tmp_path, "doors/Old Door.wav", "doors/bell.wav", "rain.wav", "wet/doors.wav")
    assert _names(scan([str(tmp_path)], include=include, exclude=exclude), tmp_path) == names


def test_a_file_as_root_needs_no_ending(tmp_path: Path) -> None:
    _files(tmp_path, ".odd")
    found = scan([str(tmp_path / ".odd")])
    assert [(file.path, file.root) for file in found.files] == [
        (str(tmp_path / ".odd"), str(tmp_path))
    ]


def test_overlapping_roots_give_each_file_once(tmp_path: Path) -> None:
    _files(tmp_path, "a/b/x.wav", "a/y.wav")
    roots = [str(tmp_path / "a/b"), str(tmp_path), str(tmp_path / "a/y.wav")]
    assert _names(scan(roots), tmp_path) == ["a/b/x.wav", "a/y.wav"]


def test_link_loops_end_and_true_paths_win(tmp_path: Path) -> None:
    _files(tmp_path, "z/real/x.wav")
    (tmp_path / "z/real/loop").symlink_to(tmp_path)
    (tmp_path / "a-link").symlink_to(tmp_path / "z/real")
    assert _names(scan([str(tmp_path)]), tmp_path) == ["z/real/x.wav"]


def test_links_out_of_the_root_are_followed(tmp_path: Path) -> None:
    _files(tmp_path, "elsewhere/x.wav", "root/y.wav")
    (tmp_path / "root/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root/one.wav").symlink_to(tmp_path / "elsewhere/x.wav")
    names = _names(scan([str(tmp_path / "root")]), tmp_path / "root")
    assert names == ["more/x.wav", "one.wav", "y.wav"]


def test_what_cannot_be_looked_at_is_listed(tmp_path: Path) -> None:
    _files(tmp_path, "good.wav")
    (tmp_path / "broken.wav").symlink_to(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe.wav")
    found = scan([str(tmp_path)])
    assert _names(found, tmp_path) == ["good.wav"]
    assert {Path(p.path).name: p.reason for p in found.problems} == {
        "broken.wav": "no such file or folder",
        "pipe.wav": "is a device or pipe, not a file",
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_folder_is_listed(tmp_path: Path) -> None:
    _files(tmp_path, "good.wav", "closed/x.wav")
    (tmp_path / "closed").chmod(0)
    found = scan([str(tmp_path)])
    (tmp_path / "closed").chmod(0o700)
    assert _names(found, tmp_path) == ["good.wav"]
    assert [p.reason for p in found.problems] == ["Permission denied"]


def test_names_that_are_not_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.wav")
    _files(tmp_path, name)
    assert _names(scan([str(tmp_path)]), tmp_path) == [name]


def test_the_library_itself_is_left_out(tmp_path: Path) -> None:
    _files(tmp_path, "a.wav", "library/b.wav")
    assert _names(scan([str(tmp_path)], skip=str(tmp_path / "library")), tmp_path) == ["a.wav"]


def test_a_missing_root(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"absent: no such file or folder\n.*check the path"):
        scan([str(tmp_path), str(tmp_path / "absent")])
