from __future__ import annotations

from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseek.cli.options import seconds
from soundseek.cli.places import default_library, demo_library
from support.command_line import typed

CONTEXT = click.Context(click.Command("search"))
PARAMETER = click.Option(["--min-duration"])


def parsed(text: str) -> float | None:
    return seconds(CONTEXT, PARAMETER, text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("90", 90), ("1.5", 1.5), (".5", 0.5), ("1:30", 90), ("1:02:03", 3723), (" 2:00.5 ", 120.5)],
)
def test_durations(text: str, value: float) -> None:
    assert parsed(text) == value


def test_no_duration() -> None:
    assert seconds(CONTEXT, PARAMETER, None) is None


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_a_time_is_its_seconds(hours: int, minutes: int, rest: int) -> None:
    assert parsed(f"{hours}:{minutes:02}:{rest:02}") == hours * 3600 + minutes * 60 + rest


@pytest.mark.parametrize("text", ["", "-1", "1:", ":30", "soon", "1h", "inf", "nan", "1:2:3:4"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="no duration"):
        parsed(text)


@pytest.mark.skipif("sys.platform != 'linux'", reason="the folders of Linux")
def test_the_default_library_is_in_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_library() == Path("/data/soundseek/library")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert default_library() == Path("/home/me/.local/share/soundseek/library")


def test_a_demonstration_has_a_library_for_each_folder_and_model(home: Path) -> None:
    places = {
        demo_library(home / folder, mark) for folder in ("a", "b") for mark in ("model", "other")
    }
    assert len(places) == 4
    assert all(home / "cache" in place.parents for place in places)
    assert demo_library(Path("a"), "model") == demo_library(home / "a", "model")


def test_the_home_of_nobody_is_no_traceback(home: Path) -> None:
    result = typed("search", "high", "--library", "~no-such-user/library")
    assert result.exit_code == 2
    assert "no library" in result.stderr
