"""Clips one by one, as a list, and what is heard when."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient

from soundseek.bundle.schema import Calibration
from soundseek.library import Library
from soundseek.serve.probability import probability
from soundseek.serve.routes import clips as routes
from soundseek.synth import render

CLIPS = "/api/v1/clips"


def test_a_clip_with_all_that_is_known(
    client: TestClient, ids: dict[str, str], sounds: Path
) -> None:
    path = sounds / "doorbell é ✓.wav"
    answer = client.get(f"{CLIPS}/{ids[path.name]}")
    assert answer.json() == {
        "id": ids[path.name],
        "name": "doorbell é ✓.wav",
        "path": str(path),
        "folder": str(sounds),
        "duration_s": pytest.approx(soundfile.info(path).duration),
        "sample_rate": 32000,
        "channels": 1,
        "format": "wav",
        "tags": [],
        "size_bytes": path.stat().st_size,
        "content_hash": hashlib.sha256(path.read_bytes()).hexdigest(),
        "captions": [],
        "attribution": {"text": None, "licence": None},
    }


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/99999", 404),
        ("/-1", 422),
        ("/1.5", 422),
        ("/abc", 422),
        ("/..%2f..%2fetc%2fpasswd", 404),
        ("/%2e%2e%2f%2e%2e%2fetc%2fpasswd", 404),
        ("/..\\..\\etc", 422),
        ("/1%00", 422),
        ("/99999/moments?q=a", 404),
        ("/x/moments?q=a", 422),
    ],
)
def test_ids_that_are_none(client: TestClient, path: str, status: int) -> None:
    answer = client.get(CLIPS + path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_list_is_sorted_filtered_and_cut(client: TestClient, sounds: Path) -> None:
    every = client.get(CLIPS).json()
    assert every["total"] == 6
    assert [clip["path"] for clip in every["clips"]] == sorted(
        str(path) for path in sounds.rglob("*.*")
    )
    page = client.get(CLIPS, params={"offset": 2, "limit": 2}).json()
    assert (page["total"], page["clips"]) == (6, every["clips"][2:4])
    newest = client.get(CLIPS, params={"sort": "newest"}).json()["clips"]
    assert [int(clip["id"]) for clip in newest] == [6, 5, 4, 3, 2, 1]
    lengths = [
        clip["duration_s"]
        for clip in client.get(CLIPS, params={"sort": "duration"}).json()["clips"]
    ]
    assert lengths == sorted(lengths)
    folder = client.get(CLIPS, params={"folder": str(sounds / "animals"), "format": "ogg"}).json()
    assert [clip["name"] for clip in folder["clips"]] == ["dog_bark.ogg"]


@pytest.mark.parametrize("params", [{"sort": "size"}, {"limit": 201}, {"folder": "a"}])
def test_lists_that_make_no_sense(client: TestClient, params: dict) -> None:
    assert client.get(CLIPS, params=params).status_code == 422


def test_moments_are_those_of_the_library(
    client: TestClient,
    ids: dict[str, str],
    sounds: Path,
    library_folder: Path,
    calibrated: Calibration,
) -> None:
    name = "weather/rain.wav"
    answer = client.get(f"{CLIPS}/{ids[name]}/moments", params={"q": "rain", "limit": 1}).json()
    with Library.open(library_folder, read_only=True) as library:
        (known,) = library.moments(sounds / name, "rain", k=1)
    (moment,) = answer["moments"]
    assert (moment["start_s"], moment["end_s"]) == (known.start_s, known.end_s)
    assert moment["score"] == pytest.approx(known.score)
    assert moment["probability"] == probability(calibrated, known.score)
    assert max(point["score"] for point in answer["curve"]) == pytest.approx(known.score)
    assert [point["start_s"] for point in answer["curve"]] == sorted(
        point["start_s"] for point in answer["curve"]
    )


@pytest.mark.parametrize("q", ["", "?!", "x" * 2001])
def test_moments_of_what_is_no_text(client: TestClient, ids: dict[str, str], q: str) -> None:
    path = f"{CLIPS}/{ids['weather/rain.wav']}/moments"
    assert client.get(path, params={"q": q}).status_code == 422


def test_the_curve_of_a_long_clip_keeps_its_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_MOST_POINTS", 4)
    scores = np.array([0, 1, 0, 0, 0.5, 0.2, 0, 0, 0.1], np.float32)
    points = routes._curve(np.arange(9.0), scores)
    assert [(point.start_s, point.score) for point in points] == [
        (0, 1),
        (3, 0.5),
        (6, pytest.approx(0.1)),
    ]


def test_captions_and_attribution(tmp_path: Path, served) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    with soundfile.SoundFile(folder / "a.flac", "w", 32_000, 1) as sound:
        sound.title, sound.artist, sound.license = "Bells", "A. Person", "CC-BY-4.0"
        sound.write(render("church_bell", seed=0, variant=0)[:32_000])
    soundfile.write(folder / "b.wav", render("wind", seed=0, variant=0)[:32_000], 32_000)
    with Library.open(tmp_path / "library", create=True) as library:
        library.index([folder / "b.wav"], tags=["licence: CC0-1.0", "by:nobody"], threads=1)
        library.index([folder / "a.flac"], threads=1)
        library.add_captions([("b.wav", "wind in the trees")])
    client = served(tmp_path / "library")
    first, second = client.get(CLIPS).json()["clips"]
    assert (first["caption"], second["caption"]) == (None, "wind in the trees")
    told = client.get(f"{CLIPS}/{first['id']}").json()
    assert told["attribution"] == {"text": "Bells · A. Person", "licence": "CC-BY-4.0"}
    told = client.get(f"{CLIPS}/{second['id']}").json()
    assert told["attribution"] == {"text": "nobody", "licence": "CC0-1.0"}
    assert told["captions"] == [{"text": "wind in the trees", "source": "user", "score": None}]
    (folder / "a.flac").unlink()  # what the library knows is there all the same
    told = client.get(f"{CLIPS}/{first['id']}").json()
    assert told["attribution"] == {"text": None, "licence": None}
