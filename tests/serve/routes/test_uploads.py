"""Sending a sound: refused while it comes if it is too large, decoded in the sandbox."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient
from httpx2 import Response

from soundseek.serve import uploads as uploads_module

ADDRESS = "/api/v1/uploads"


def problem(response: Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    return document


def test_a_sound_becomes_a_vector(client: TestClient, sounds: Path) -> None:
    content = (sounds / "weather/wind.flac").read_bytes()
    answer = client.post(ADDRESS, files={"sound": ("../../etc/x.wav", content)})
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert set(told) == {"id", "duration_s", "expires_in_s"}
    assert told["duration_s"] == pytest.approx(4.0, abs=0.05)
    assert len(told["id"]) >= 20
    hits = client.get("/api/v1/search", params={"upload": told["id"], "limit": 1}).json()["hits"]
    assert hits[0]["name"] == "wind.flac"


def test_ids_differ(client: TestClient, sounds: Path) -> None:
    content = (sounds / "weather/rain.wav").read_bytes()
    ids = {client.post(ADDRESS, files={"sound": content}).json()["id"] for _ in range(2)}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("content", "what"), [(b"", "empty"), (b"no sound" * 100, "cannot be decoded")]
)
def test_what_is_no_sound(client: TestClient, content: bytes, what: str) -> None:
    told = problem(client.post(ADDRESS, files={"sound": ("a.wav", content)}), 422)
    assert what in told["detail"]
    assert os.sep + "tmp" not in told["detail"]


def test_what_is_no_form(client: TestClient) -> None:
    problem(client.post(ADDRESS, content=b"RIFF"), 415)
    problem(client.post(ADDRESS, json={"sound": "x"}), 415)
    problem(client.post(ADDRESS, files={"other": b"x"}), 422)
    problem(client.post(ADDRESS, data={"sound": "x"}, files={"other": b""}), 422)
    problem(client.post(ADDRESS, files=[("sound", b"x"), ("sound", b"y")]), 400)
    headers = {"content-type": "multipart/form-data"}
    problem(client.post(ADDRESS, content=b"x", headers=headers), 400)
    headers = {"content-type": "multipart/form-data; boundary=x"}
    problem(client.post(ADDRESS, content=b"no boundary" * 9, headers=headers), 400)


def test_too_large_by_its_own_word(served: Callable[..., TestClient]) -> None:
    client = served(max_upload_bytes=1000)
    told = problem(client.post(ADDRESS, files={"sound": bytes(200_000)}), 413)
    assert told["remedy"]


def test_too_large_is_refused_while_it_comes(served: Callable[..., TestClient]) -> None:
    """Without a Content-Length, and without reading to the end."""
    client = served(max_upload_bytes=100_000)
    sent: list[int] = []
    start = b'--x\r\nContent-Disposition: form-data; name="sound"; filename="a"\r\n\r\n'
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        sent.append(1)
        assert len(sent) < 100, "it reads on and on"
        body = start if len(sent) == 1 else bytes(20_000)
        return {"type": "http.request", "body": body, "more_body": True}

    async def send(message: Any) -> None:
        messages.append(dict(message))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": ADDRESS,
        "raw_path": ADDRESS.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1:8765"),
            (b"content-type", b"multipart/form-data; boundary=x"),
        ],
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 8765),
        "state": {},
    }
    anyio.run(lambda: client.app(scope, receive, send))  # type: ignore[arg-type]
    assert messages[0]["status"] == 413
    assert len(sent) < 12


def test_nothing_is_left_on_disk(
    client: TestClient, sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    content = (sounds / "weather/rain.wav").read_bytes()
    client.post(ADDRESS, files={"sound": content * 8})
    client.post(ADDRESS, files={"sound": b"nothing"})
    assert list(tmp_path.iterdir()) == []


def test_a_full_queue_is_told(
    served: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch, sounds: Path
) -> None:
    client = served(concurrent_decodes=1)
    state = client.app.state.server  # type: ignore[attr-defined]
    state.decodes._most = 1
    begun, release = threading.Event(), threading.Event()

    def slow(*arguments: object) -> object:
        begun.set()
        release.wait(10)
        return original(*arguments)  # type: ignore[arg-type]

    original = uploads_module.decode_untrusted
    monkeypatch.setattr(uploads_module, "decode_untrusted", slow)
    content = (sounds / "weather/rain.wav").read_bytes()
    first: list[Response] = []
    thread = threading.Thread(
        target=lambda: first.append(client.post(ADDRESS, files={"sound": content}))
    )
    thread.start()
    assert begun.wait(10)
    refused = client.post(ADDRESS, files={"sound": content})
    release.set()
    thread.join()
    problem(refused, 503)
    assert int(refused.headers["retry-after"]) > 0
    assert first[0].status_code == 201
