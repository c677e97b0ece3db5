from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from support.command_line import succeeded, typed, write_sounds


@pytest.fixture
def own(home: Path, shelf: Path) -> dict[str, Path]:
    """A library of the test's own, which it may change; word → file."""
    files = write_sounds(home / "sounds")
    succeeded("index", "sounds")
    return files


def test_status(sounds: dict[str, Path], shelf: Path) -> None:
    shown = succeeded("library", "status")
    assert "6, with 6 different sounds" in shown
    assert "18 s, in 6 windows" in shown
    assert "tiny (" in shown
    assert str(shelf / "sounds") in shown


def test_status_as_json(sounds: dict[str, Path], shelf: Path) -> None:
    state = json.loads(succeeded("library", "status", "--json"))
    assert state["library"] == str(shelf / "library")
    assert (state["clips"], state["windows"], state["files"], state["failed"]) == (6, 6, 6, 0)
    assert state["roots"] == [str(shelf / "sounds")]


def test_verify(sounds: dict[str, Path]) -> None:
    assert succeeded("library", "verify", "--deep") == "6 sounds and 6 files checked: all is well\n"
    assert json.loads(succeeded("library", "verify", "--json"))["ok"] is True


def test_verify_ends_with_1_when_there_is_a_problem(own: dict[str, Path]) -> None:
    own["low"].unlink()
    result = typed("library", "verify")
    assert result.exit_code == 1
    assert own["low"].name in result.stdout
    assert result.stdout.endswith("6 sounds and 6 files checked: 1 problem\n")
    result = typed("library", "verify", "--json")
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)["problems"]) == 1


def test_failures(own: dict[str, Path], home: Path) -> None:
    (home / "sounds" / "bad.wav").write_bytes(b"")
    assert typed("index", "sounds").exit_code == 1
    result = typed("library", "failures")
    assert result.exit_code == 0
    name, reason = result.stdout.splitlines()
    assert name == str(Path("sounds", "bad.wav"))
    assert "0 bytes" in reason
    assert result.stderr == "1 file could not be read\n"
    (listed,) = json.loads(succeeded("library", "failures", "--json"))["failures"]
    assert listed["path"] == str(home / "sounds" / "bad.wav")


@pytest.mark.parametrize("name", ["all.csv", "all.json", "all.jsonl", "all.npz", "all.CSV"])
def test_export_chooses_the_format_by_the_ending(
    name: str, sounds: dict[str, Path], home: Path
) -> None:
    assert succeeded("library", "export", name) == f"6 rows in {name}\n"
    written = (home / name).read_bytes()
    kind = name.lower().rpartition(".")[2]
    if kind == "csv":
        assert len(list(csv.DictReader(written.decode().splitlines()))) == 6
    elif kind == "json":
        assert json.loads(written)
    elif kind == "jsonl":
        assert len([json.loads(line) for line in written.splitlines()]) == 6
    else:
        with np.load(home / name) as arrays:
            assert arrays.files


def test_export_takes_a_format_and_refuses_an_unknown_ending(
    sounds: dict[str, Path], home: Path
) -> None:
    succeeded("library", "export", "table.txt", "--format", "csv")
    assert (home / "table.txt").exists()
    result = typed("library", "export", "table.xml")
    assert result.exit_code == 2
    assert "--format" in result.stderr


def test_export_to_nowhere_is_a_message(sounds: dict[str, Path]) -> None:
    result = typed("library", "export", "no/such/folder/all.csv")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")


def test_remove_forgets_but_does_not_delete(own: dict[str, Path]) -> None:
    shown = succeeded("library", "remove", own["low"], "sounds/rec[12].wav")
    assert shown == "3 files forgotten; nothing was deleted from the disk\n"
    assert all(file.exists() for file in own.values())
    assert json.loads(succeeded("library", "status", "--json"))["files"] == 3


def test_remove_forgets_what_is_gone(own: dict[str, Path]) -> None:
    own["low"].unlink()
    succeeded("index")
    assert json.loads(succeeded("library", "remove", "--missing", "--json"))["removed"] == 1


def test_remove_wants_to_know_what(own: dict[str, Path]) -> None:
    result = typed("library", "remove")
    assert result.exit_code == 2
    assert "--missing" in result.stderr


@pytest.mark.parametrize("command", ["status", "verify", "failures", "export", "remove"])
def test_without_a_library_every_command_says_how_to_make_one(command: str, home: Path) -> None:
    arguments = {"export": ["all.csv"], "remove": ["*.wav"]}.get(command, [])
    result = typed("library", command, *arguments)
    assert result.exit_code == 2
    assert "there is no library" in result.stderr
    assert "soundseek index" in result.stderr


def test_reading_works_where_nothing_can_be_written(own: dict[str, Path], home: Path) -> None:
    shutil.rmtree(home / "library" / "cache", ignore_errors=True)
    for path in (home / "library", *(home / "library").iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert json.loads(succeeded("library", "status", "--json"))["clips"] == 6
        assert json.loads(succeeded("search", "a high tone", "--json"))["hits"]
    finally:
        (home / "library").chmod(0o755)


def test_export_to_stdout_is_what_a_file_gets(sounds: dict[str, Path], home: Path) -> None:
    succeeded("library", "export", "all.csv")
    content = (home / "all.csv").read_text("utf-8")
    assert succeeded("library", "export", "-", "--format", "csv") == content
    assert not (home / "-").exists()
    assert typed("library", "export", "-").exit_code == 2
