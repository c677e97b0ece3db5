from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from support.command_line import succeeded, typed, write_sound, write_sounds
from support.tiny_bundle import sine


@pytest.fixture
def doubled(home: Path) -> dict[str, Path]:
    """A library with an identical pair (low) and a pair that sounds the same (high)."""
    files = write_sounds(home / "sounds")
    shutil.copy(files["low"], home / "sounds" / "copy.wav")
    write_sound(home / "sounds" / "alike.flac", sine(4000))
    succeeded("index", "sounds")
    return files


def names(*arguments: str) -> set[frozenset[str]]:
    groups = json.loads(succeeded("duplicates", "--json", *arguments))["groups"]
    return {frozenset(Path(file["path"]).name for file in group["files"]) for group in groups}


def test_identical_files_and_files_that_sound_the_same(doubled: dict[str, Path]) -> None:
    assert names() == {frozenset({"rec0.wav", "copy.wav"}), frozenset({"rec2.wav", "alike.flac"})}
    assert names("--threshold", "1") == {frozenset({"rec0.wav", "copy.wav"})}


def test_the_list(doubled: dict[str, Path]) -> None:
    result = typed("duplicates")
    assert "identical" in result.stdout
    assert "sound the same" in result.stdout
    assert str(Path("sounds", "copy.wav")) in result.stdout
    assert result.stderr.startswith("2 groups in ")


@pytest.mark.parametrize("threshold", ["0", "1.5", "high"])
def test_an_impossible_threshold_is_refused(threshold: str) -> None:
    result = typed("duplicates", "--threshold", threshold)
    assert result.exit_code == 2
    assert "--threshold" in result.stderr
