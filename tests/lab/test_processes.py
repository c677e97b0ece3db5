"""Several processes that train together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.lab.processes import companions
from support.companions import in_two

pytestmark = pytest.mark.lab


def left_over(folder: Path) -> list[str]:
    """Processes that still have the folder in their command line."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(folder) in line and place.parent.name != str(os.getpid()):
            found.append(line)
    return found


def forbidden(*_: Any) -> None:
    raise AssertionError("nobody else is needed")


def test_one_device_needs_no_companion() -> None:
    before = dict(os.environ)
    with companions(1, forbidden):
        assert dict(os.environ) == before


def test_one_of_several_starts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as torchrun has started."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    with companions(2, forbidden):
        pass


@pytest.mark.slow
def test_two_trainings_may_follow_each_other(tmp_path: Path) -> None:
    done = in_two("twice", tmp_path)
    assert done.returncode == 0, done.stderr
    said = {rank: (tmp_path / f"rank-{rank}").read_text().split() for rank in (0, 1)}
    assert said[0][1] == said[1][1] == "3.0"
    assert said[0][0] != said[1][0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("killed", "first: process 1 of 2 ended with exit code -9"),
        ("refused", "first: process 1 of 2 ended with exit code 2"),
        ("dies_at_once", "first: process 1 of 2 ended with exit code 7"),
        ("first_refused", "first: the first cannot read it"),
    ],
)
def test_the_end_of_one_is_the_end_of_all(tmp_path: Path, how: str, said: str) -> None:
    done = in_two(how, tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    if how == "refused":
        assert "process 1: the companion cannot read it\n  → look" in done.stderr
        assert "Traceback" not in done.stderr
    assert not left_over(tmp_path)
