from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from support.command_line import succeeded, typed, write_sound
from support.tiny_bundle import noise, sine


@pytest.fixture
def long_file(home: Path) -> Path:
    """Half a minute of a low tone, with a high one at 12 s."""
    parts = [sine(180, 12), sine(4000, 3), sine(180, 9), noise(6)]
    return write_sound(home / "long.wav", np.concatenate(parts))


def test_it_finds_the_place_in_a_file_outside_any_library(long_file: Path) -> None:
    answer = json.loads(succeeded("moments", long_file, "a high tone", "--json", "-k", "2"))
    assert (answer["path"], answer["query"]) == (str(long_file), "a high tone")
    first = answer["moments"][0]
    assert first["rank"] == 1
    assert first["start_s"] < 15
    assert first["end_s"] > 12


def test_the_table(long_file: Path) -> None:
    result = typed("moments", "long.wav", "high", "-k", "1")
    heading, first = result.stdout.splitlines()
    assert heading.split() == ["#", "sound", "where"]
    assert first.split()[0] == "1"
    assert "–" in first
    assert result.stderr == "in long.wav\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["long.wav"], "DESCRIPTION"),
        (["long.wav", " "], "empty"),
        (["long.wav", "high", "-k", "0"], "k is 0"),
        (["missing.wav", "high"], "missing.wav"),
        ([".", "high"], "folder"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: list[str], message: str, long_file: Path
) -> None:
    result = typed("moments", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
