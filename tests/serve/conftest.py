"""Fixtures of the server's tests: a library of sample sounds and a client of an application."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

import soundfile
from fastapi.testclient import TestClient

from soundseek.bundle.schema import Calibration
from soundseek.library import Library
from soundseek.serve import finding
from soundseek.synth import render

KINDS = {
    "weather/rain.wav": "rain",
    "weather/wind.flac": "wind",
    "animals/dog_bark.ogg": "dog_bark",
    "animals/rec_0001.wav": "rooster",
    "doorbell é ✓.wav": "doorbell",
    "machines/siren.wav": "siren",
}
"""Below the folder of sounds: file → kind of synthetic sound."""


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of short sample sounds (`KINDS`), to be read only."""
    folder = tmp_path_factory.mktemp("served") / "sounds"
    for name, kind in KINDS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, render(kind, seed=0, variant=0)[: 4 * 32_000], 32_000)
    return folder


@pytest.fixture(scope="session")
def library_folder(sounds: Path) -> Path:
    """A library of `sounds` made with the embedded model, to be read only."""
    folder = sounds.parent / "library"
    with Library.open(folder, create=True) as library:
        assert library.index([sounds], threads=1).added == len(KINDS)
    return folder


@pytest.fixture
def calibrated(monkeypatch: pytest.MonkeyPatch) -> Calibration:
    """The models of all clients are calibrated on hits, by this curve."""
    curve = Calibration(slope=9.0, intercept=-4.0, fitted_on="hits")
    monkeypatch.setattr(finding, "of_hits", lambda _: curve)
    return curve


@pytest.fixture
def served(library_folder: Path) -> Iterator[Callable[..., TestClient]]:
    """Makes clients: `served(max_k=5)` of the library of samples with these settings."""
    from soundseek.serve.app import create_app
    from soundseek.serve.settings import Settings

    clients: list[TestClient] = []

    def make(folder: Path = library_folder, **settings: Any) -> TestClient:
        settings = {"requests_per_minute": 0, **settings}
        app = create_app(folder, Settings(**settings))
        client = TestClient(app, base_url="http://127.0.0.1:8765").__enter__()
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(served: Callable[..., TestClient]) -> TestClient:
    """A client of the library of samples."""
    return served()


@pytest.fixture
def ids(library_folder: Path, sounds: Path) -> dict[str, str]:
    """The id of each sound, by its name below the folder of sounds."""
    with Library.open(library_folder, read_only=True) as library:
        rows = library.database.query("SELECT id, path FROM files")
    return {str(Path(path.decode()).relative_to(sounds)): str(row) for row, path in rows}
