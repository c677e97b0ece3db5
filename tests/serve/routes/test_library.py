"""What the server says of the library."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import soundfile
from fastapi.testclient import TestClient

import soundseek
from soundseek.library import Library
from soundseek.synth import render


@pytest.mark.usefixtures("calibrated")
def test_status(client: TestClient, library_folder: Path, sounds: Path) -> None:
    answer = client.get("/api/v1/status").json()
    with Library.open(library_folder, read_only=True) as library:
        known = library.status()
    assert answer["version"] == soundseek.__version__
    assert answer["library"] == {
        "path": str(library_folder),
        "clips": known.clips,
        "files": known.files,
        "windows": known.windows,
        "hours": pytest.approx(known.duration_s / 3600, abs=1e-4),
        "failed": 0,
        "captioned": 0,
        "missing": 0,
    }
    assert answer["model"] == {
        "name": known.bundle,
        "fingerprint": known.fingerprint,
        "calibrated": True,
    }
    assert answer["roots"] == [{"index": 0, "path": str(sounds), "available": True}]
    assert answer["limits"]["max_k"] == 1000
    assert answer["jobs_running"] == 0


def test_roots_that_were_given_come_after_those_of_the_library(
    served, sounds: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    answer = served(roots=(sounds, gone)).get("/api/v1/status").json()
    assert [(root["path"], root["available"]) for root in answer["roots"]] == [
        (str(sounds), True),
        (str(gone), False),
    ]


def test_facets(client: TestClient, sounds: Path) -> None:
    answer = client.get("/api/v1/facets").json()
    assert answer["formats"] == [
        {"value": "wav", "count": 4},
        {"value": "flac", "count": 1},
        {"value": "ogg", "count": 1},
    ]
    assert answer["folders"] == [
        {"path": str(sounds), "count": 6},
        {"path": str(sounds / "animals"), "count": 2},
        {"path": str(sounds / "machines"), "count": 1},
        {"path": str(sounds / "weather"), "count": 2},
    ]
    lengths = [clip["duration_s"] for clip in client.get("/api/v1/clips").json()["clips"]]
    assert answer["duration_s"] == {"min": min(lengths), "max": max(lengths)}


def test_an_empty_library(served, tmp_path: Path) -> None:
    Library.open(tmp_path / "library", create=True).close()
    client = served(tmp_path / "library")
    assert client.get("/api/v1/status").json()["library"]["files"] == 0
    assert client.get("/api/v1/facets").json() == {
        "formats": [],
        "folders": [],
        "duration_s": {"min": None, "max": None},
    }
    assert client.get("/api/v1/search", params={"q": "rain"}).json()["hits"] == []
    assert client.get("/api/v1/clips").json() == {"total": 0, "clips": []}


@pytest.mark.skipif(os.name != "posix", reason="names are text there")
def test_names_that_are_no_text(served, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    with Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.wav")).open("wb") as file:
        soundfile.write(file, render("wind", seed=0, variant=0)[:32_000], 32_000, format="WAV")
    with Library.open(tmp_path / "library", create=True) as library:
        library.index([folder], threads=1)
    client = served(tmp_path / "library")
    for answer in (
        client.get("/api/v1/search", params={"q": "wind"}).json()["hits"],
        client.get("/api/v1/clips").json()["clips"],
        [client.get("/api/v1/clips/1").json()],
    ):
        assert [one["name"] for one in answer] == ["\\udcff\\udcfe.wav"]
    for kind in ("csv", "m3u", "zip"):
        body = {"format": kind, "ids": ["1"]}
        assert client.post("/api/v1/export", json=body).status_code == 200
