"""Several processes that train together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.lab.processes import companions
from support.companions import Companions

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
def test_the_end_of_one_is_the_end_of_all(two_processes: Companions) -> None:
    """And another training may follow in the same process."""
    done, folder = two_processes
    assert done.returncode == 0, done.stderr
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert said["gather"] == "DataError: the first cannot read it"
    assert said["killed"].startswith("DataError: process 1 of 2 ended with exit code -9")
    assert said["refused"].startswith("DataError: process 1 of 2 ended with exit code 2")
    assert said["dies_at_once"] == "DataError: process 1 of 2 ended with exit code 7"
    assert "process 1: the companion cannot read it\n  → look" in done.stderr
    assert not left_over(folder)
