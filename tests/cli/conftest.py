"""Fixtures for tests of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.command_line import live_in, succeeded, write_sounds


@pytest.fixture(autouse=True)
def home(tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of the test; nothing is written outside of it."""
    live_in(tmp_path, tiny_bundle, monkeypatch)
    return tmp_path


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """A folder with "sounds" and a "library" of them, to be read only."""
    folder = tmp_path_factory.mktemp("shelf")
    with pytest.MonkeyPatch.context() as monkeypatch:
        live_in(folder, tiny_bundle, monkeypatch)
        write_sounds(folder / "sounds")
        succeeded("index", "sounds")
    return folder


@pytest.fixture
def sounds(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The sounds in the library that commands use; word → file."""
    monkeypatch.setenv("SOUNDSEEK_LIBRARY", str(shelf / "library"))
    from support.tiny_bundle import SOUNDS

    return {word: shelf / "sounds" / f"rec{n}.wav" for n, word in enumerate(SOUNDS)}
