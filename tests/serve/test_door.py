"""What the server refuses before it reads more than the first lines: hosts, origins, tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from starlette.datastructures import Headers

from soundseek.serve.problems import Problem
from soundseek.serve.security import SECURITY_HEADERS, Gate, host_name
from soundseek.serve.settings import Settings

Served = Callable[..., TestClient]
STATUS = "/api/v1/status"
EXPORT = "/api/v1/export"
TOKEN = "a-token-of-the-test"


def _status(client: TestClient, path: str = STATUS, **headers: str) -> int:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(path, headers=names, follow_redirects=False).status_code


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8765", 200),
        ("localhost", 200),
        ("LOCALHOST.:99", 200),
        ("[::1]:8765", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("192.168.0.1", 421),
        ("", 421),
        ("[", 421),
        ("evil.example@localhost", 200),
        ("localhost@evil.example", 421),
    ],
)
def test_other_names_are_refused(client: TestClient, host: str, status: int) -> None:
    assert _status(client, host=host) == status


def test_names_that_are_allowed(served: Served) -> None:
    client = served(allowed_hosts=("Studio.local",))
    assert _status(client, host="studio.LOCAL:8765") == 200


@pytest.mark.parametrize("host", ["192.168.0.1:8765", "[fe80::1]", "127.0.0.1"])
def test_a_server_on_every_address_takes_addresses_as_names(host: str) -> None:
    gate = Gate(Settings(host="0.0.0.0", token=TOKEN))
    gate.check_host(Headers({"host": host}))
    with pytest.raises(Problem) as raised:
        gate.check_host(Headers({"host": "evil.example"}))
    assert raised.value.status == 421


@pytest.mark.parametrize("path", [STATUS, "/healthz", "/nothing", "/api/v1/search", EXPORT])
def test_every_answer_has_the_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    for name, value in SECURITY_HEADERS.items():
        assert headers[name] == value
    assert "'unsafe" not in headers["content-security-policy"]
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "https://127.0.0.1:8765"}, 200),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_other_sites_may_not_ask_for_changes(
    client: TestClient, ids: dict[str, str], headers: dict[str, str], status: int
) -> None:
    body = {"format": "csv", "ids": [ids["weather/rain.wav"]]}
    assert client.post(EXPORT, json=body, headers=headers).status_code == status


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_bodies_that_a_form_could_send_are_refused(client: TestClient, kind: str) -> None:
    answer = client.post(
        EXPORT, content=b'{"format":"csv","ids":["1"]}', headers={"content-type": kind}
    )
    assert (answer.status_code, answer.json()["title"]) == (415, "Unsupported Media Type")


class TestToken:
    @pytest.fixture
    def client(self, served: Served) -> Iterator[TestClient]:
        return served(token=TOKEN)

    @pytest.mark.parametrize("path", [STATUS, "/", "/openapi.json", "/api/v1/clips/1", "/nothing"])
    def test_nothing_without_it(self, client: TestClient, path: str) -> None:
        assert _status(client, path) == 401
        assert _status(client, path, authorization=f"Bearer {TOKEN}x") == 401
        assert _status(client, path, authorization=TOKEN) == 401
        assert _status(client, path, authorization=f"Bearer {TOKEN}") != 401

    def test_it_does_not_stand_in_other_addresses(self, client: TestClient) -> None:
        assert _status(client, f"{STATUS}?token={TOKEN}") == 401

    def test_whether_it_is_there_is_told_to_all(self, client: TestClient) -> None:
        assert _status(client, "/healthz") == 200

    def test_the_problem_says_what_to_do(self, client: TestClient) -> None:
        answer = client.get(STATUS)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["remedy"].startswith("open the address")

    def test_the_address_with_it_gives_a_cookie(self, client: TestClient) -> None:
        answer = client.get(f"/?token={TOKEN}", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKEN not in cookie
        assert client.get(STATUS).status_code == 200  # the client kept it

    def test_another_cookie_does_not_help(self, client: TestClient) -> None:
        for value in ("", "x", TOKEN, "é", '"'):
            assert _status(client, cookie=f"soundseek_8765={value}".encode()) == 401

    def test_the_wrong_token_gives_none(self, client: TestClient) -> None:
        answer = client.get("/?token=wrong", follow_redirects=False)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers

    def test_guessing_is_limited_and_does_not_keep_others_out(self, served: Served) -> None:
        client = served(token=TOKEN, requests_per_minute=5)
        statuses = [_status(client, authorization="Bearer guess") for _ in range(8)]
        assert statuses == [401] * 5 + [429] * 3
        assert _status(client, authorization=f"Bearer {TOKEN}") == 200


def test_too_many_requests(served: Served) -> None:
    client = served(requests_per_minute=3)
    answers = [client.get("/api/v1/facets") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[-1].headers["content-type"] == "application/problem+json"
    assert _status(client, "/healthz") == 200


def test_too_large_a_body(served: Served) -> None:
    client = served(max_body_bytes=100)
    body = {"format": "csv", "ids": ["1"] * 100}
    assert client.post(EXPORT, json=body).status_code == 413

    def parts() -> Iterator[bytes]:
        yield b'{"format":"csv","ids":['
        yield b'"1",' * 1000
        yield b'"1"]}'

    answer = client.post(EXPORT, content=parts(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert "larger than 100 bytes" in answer.json()["detail"]


class TestOtherOrigins:
    ORIGIN = "https://tool.example"

    @pytest.fixture
    def client(self, served: Served) -> TestClient:
        return served(cors_origins=(self.ORIGIN,), token=TOKEN)

    def test_one_that_is_named_may_ask(self, client: TestClient) -> None:
        asked = {"origin": self.ORIGIN, "access-control-request-method": "POST"}
        answer = client.options(EXPORT, headers=asked)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == self.ORIGIN
        headers = {"origin": self.ORIGIN, "authorization": f"Bearer {TOKEN}"}
        answer = client.get(STATUS, headers=headers)
        assert answer.headers["access-control-allow-origin"] == self.ORIGIN
        assert _status(client, origin=self.ORIGIN) == 401

    def test_others_may_not(self, client: TestClient) -> None:
        asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
        assert client.options(EXPORT, headers=asked).status_code == 401


def test_a_bug_is_a_problem_too_and_tells_nothing(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(client.app.state.server, "listing", broken)
    answer = client.get("/api/v1/facets")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "x-content-type-options" in answer.headers
    assert "a secret of the inside" in caplog.text


@pytest.mark.parametrize(
    ("header", "name"),
    [("Name:80", "name"), ("[::1]:80", "::1"), ("a.b.", "a.b"), ("", ""), ("[x", ""), ("a:b", "a")],
)
def test_host_names(header: str, name: str) -> None:
    assert host_name(header) == name
