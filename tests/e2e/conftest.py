"""Fixtures for tests of the whole program."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.command_line import live_in


@pytest.fixture(autouse=True)
def home(tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of the test; nothing is written outside of it."""
    live_in(tmp_path, tiny_bundle, monkeypatch)
    return tmp_path
