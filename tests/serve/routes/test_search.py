"""Searching through the API: the library's own answers, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from soundseek.bundle.schema import Calibration
from soundseek.library import Library
from soundseek.serve import finding
from soundseek.serve.probability import of_hits, probability
from soundseek.serve.problems import Problem

Served = Callable[..., TestClient]
SEARCH = "/api/v1/search"
BATCH = "/api/v1/search/batch"


@pytest.fixture
def library(library_folder: Path) -> Iterator[Library]:
    with Library.open(library_folder, read_only=True) as opened:
        yield opened


def _found(client: TestClient, **params: Any) -> dict:
    answer = client.get(SEARCH, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _refused(client: TestClient, **params: Any) -> dict:
    answer = client.get(SEARCH, params=params)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


def _paths(answer: dict) -> list[str]:
    return [hit["path"] for hit in answer["hits"]]


def test_hits_are_those_of_the_library(
    client: TestClient,
    library: Library,
    ids: dict[str, str],
    sounds: Path,
    calibrated: Calibration,
) -> None:
    answer = _found(client, q="a dog barks", limit=3)
    expected = library.search("a dog barks", k=3)
    for hit, known in zip(answer["hits"], expected, strict=True):
        assert hit == {
            "rank": known.rank,
            "id": ids[str(Path(known.path).relative_to(sounds))],
            "name": Path(known.path).name,
            "path": known.path,
            "folder": str(Path(known.path).parent),
            "score": pytest.approx(known.score),
            "similarity": pytest.approx(known.similarity, abs=1e-6),
            "probability": probability(calibrated, known.similarity),
            "percentile": None,
            "name_rank": known.name_rank,
            "start_s": known.start_s,
            "end_s": known.end_s,
            "duration_s": known.duration_s,
            "sample_rate": 32000,
            "channels": 1,
            "format": known.format,
            "tags": [],
            "caption": None,
        }
    assert (answer["total"], answer["offset"], answer["limit"]) == (len(ids), 0, 3)
    assert answer["query"]["q"] == "a dog barks"
    assert answer["took_ms"] > 0


def test_a_model_that_is_not_calibrated_on_hits_tells_places(
    client: TestClient, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "of_hits", lambda _: of_hits(Calibration(9.0, -4.0, "pairs")))
    hits = _found(client, q="a dog barks", names=False)["hits"]
    assert [hit["probability"] for hit in hits] == [None] * len(ids)
    assert hits[0]["percentile"] == 100.0


def test_pages_fit_together(client: TestClient) -> None:
    every = _found(client, q="wind")["hits"]
    pages = [_found(client, q="wind", offset=start, limit=4)["hits"] for start in range(0, 8, 4)]
    assert [hit for page in pages for hit in page] == every
    assert _found(client, q="wind", offset=100)["hits"] == []


@pytest.mark.usefixtures("calibrated")
def test_more_like_a_clip(client: TestClient, ids: dict[str, str]) -> None:
    answer = _found(client, like=ids["machines/siren.wav"])
    assert answer["hits"][0]["id"] == ids["machines/siren.wav"]
    assert answer["hits"][0]["percentile"] == 100.0
    assert [hit["probability"] for hit in answer["hits"]] == [None] * len(ids)
    percentiles = [hit["percentile"] for hit in answer["hits"]]
    assert percentiles == sorted(percentiles, reverse=True)


def test_a_clip_and_a_text_are_blended(
    client: TestClient, library: Library, ids: dict[str, str], sounds: Path
) -> None:
    answer = _found(
        client, q="rain", like=ids["machines/siren.wav"], like_weight=0.7, names=False, limit=6
    )
    known = library.search(
        "rain", like=sounds / "machines/siren.wav", like_weight=0.7, hybrid=False, k=6
    )
    assert _paths(answer) == [hit.path for hit in known]
    assert answer["query"]["like_weight"] == 0.7


def test_what_should_not_be_heard(client: TestClient, library: Library) -> None:
    answer = _found(client, q="animal", without="dog", captions=0)
    known = library.search("animal", without="dog", captions_weight=0, k=50)
    assert _paths(answer) == [hit.path for hit in known]


def test_filters(client: TestClient, sounds: Path) -> None:
    below = str(sounds / "weather")
    assert {hit["folder"] for hit in _found(client, q="wind", folder=below)["hits"]} == {below}
    both = _found(client, q="wind", folder=[below, str(sounds / "animals") + "/"])
    assert both["total"] == 4
    assert {hit["format"] for hit in _found(client, q="dog", format=["ogg", "FLAC"])["hits"]} == {
        "ogg",
        "flac",
    }
    short = _found(client, q="dog", max_duration=3)["hits"]
    assert all(hit["duration_s"] <= 3 for hit in short)
    assert _found(client, q="dog", min_duration=100)["total"] == 0
    assert _found(client, q="dog", folder="/etc/..//etc")["total"] == 0
    assert _found(client, q="dog", folder=f"{sounds}/../..")["total"] == 6


def test_words_that_the_model_cannot_read(client: TestClient) -> None:
    assert _found(client, q="dog 犬")["unknown_words"] == ["犬"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "nothing to search for"),
        ({"q": ""}, "the query is empty"),
        ({"q": "!?"}, "holds no words"),
        ({"q": "x" * 2001}, "2,001 characters"),
        ({"q": "a", "without": "x" * 2001}, "2,001 characters"),
        ({"q": "a", "limit": 0}, "query.limit"),
        ({"q": "a", "limit": 201}, "query.limit"),
        ({"q": "a", "offset": -1}, "query.offset"),
        ({"q": "a", "offset": 951}, "first 1,000 sounds"),
        ({"q": "a", "min_duration": "nan"}, "query.min_duration"),
        ({"q": "a", "min_duration": 5, "max_duration": 2}, "no sound lasts"),
        ({"q": "a", "folder": "relative"}, "no absolute path"),
        ({"q": "a", "folder": "/a\0b"}, "no absolute path"),
        ({"q": "a", "like_weight": 2}, "query.like_weight"),
        ({"like": "1", "upload": "2"}, "cannot go together"),
        ({"like": "/etc/passwd"}, "whole number"),
    ],
)
def test_what_makes_no_sense_is_refused(client: TestClient, params: dict, message: str) -> None:
    assert message in _refused(client, **params)["detail"]


def test_a_clip_that_is_not_there(client: TestClient) -> None:
    answer = client.get(SEARCH, params={"like": "99999"})
    assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")


def test_settings_limit_texts_and_ranks(served: Served) -> None:
    client = served(max_query_chars=10, max_k=4)
    assert "11 characters" in _refused(client, q="x" * 11)["detail"]
    assert "first 4 sounds" in _refused(client, q="dog", limit=5)["detail"]
    assert _found(client, q="dog", limit=4)["total"] == 4


class KnownUploads:
    """One sound that was sent."""

    def __init__(self, vector: np.ndarray) -> None:
        self._vector = vector

    def vector(self, upload_id: str) -> np.ndarray:
        if upload_id != "u1":
            raise Problem(404, f"there is no upload {upload_id}")
        return self._vector

    def close(self) -> None:
        pass


def test_a_sound_that_was_sent(
    client: TestClient, library: Library, ids: dict[str, str], sounds: Path
) -> None:
    vector = library.clip_vector(sounds / "animals/rec_0001.wav")
    client.app.state.server.uploads = KnownUploads(vector)
    assert _found(client, upload="u1")["hits"][0]["id"] == ids["animals/rec_0001.wav"]
    assert client.get(SEARCH, params={"upload": "other"}).status_code == 404


class TestBatch:
    def test_answers_are_those_of_single_searches(self, client: TestClient) -> None:
        texts = ["rain", "a dog", "rain"]
        answer = client.post(BATCH, json={"queries": texts, "limit": 2, "without": "wind"})
        assert answer.status_code == 200
        answers = answer.json()["answers"]
        assert [one["query"] for one in answers] == texts
        for one in answers:
            assert one["hits"] == _found(client, q=one["query"], limit=2, without="wind")["hits"]

    def test_filters_and_a_clip_for_all(
        self, client: TestClient, ids: dict[str, str], sounds: Path
    ) -> None:
        shared = {"like": ids["doorbell é ✓.wav"], "folder": [str(sounds / "weather")]}
        answer = client.post(BATCH, json={"queries": ["rain"], **shared})
        assert answer.json()["answers"][0]["hits"] == _found(client, q="rain", **shared)["hits"]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"queries": []},
            {"queries": ["a"] * 101},
            {"queries": ["a", ""]},
            {"queries": ["a"], "other": 1},
            {"queries": ["a"], "limit": 0},
            {"queries": ["\ud800"]},
            [],
        ],
    )
    def test_what_makes_no_sense_is_refused(self, client: TestClient, body: Any) -> None:
        import json

        headers = {"content-type": "application/json"}
        answer = client.post(BATCH, content=json.dumps(body), headers=headers)
        assert (answer.status_code, answer.json()["status"]) == (422, 422)

    def test_what_is_no_json(self, client: TestClient) -> None:
        answer = client.post(BATCH, content=b"{", headers={"content-type": "application/json"})
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
