"""`soundseek serve` as a process, and what it says when it cannot."""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

pytest.importorskip("fastapi")

from soundseek.cli import serve as module
from soundseek.library import Library
from soundseek.serve.settings import Settings
from support.command_line import live_in, process, typed, write_sounds


@pytest.fixture
def home(tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    live_in(tmp_path, tiny_bundle, monkeypatch)
    return tmp_path


@pytest.fixture
def library(home: Path, tiny_bundle: Path) -> Path:
    write_sounds(home / "sounds")
    with Library.open(home / "library", bundle=tiny_bundle, create=True) as library:
        library.index([home / "sounds"], threads=1)
    return home / "library"


@contextmanager
def _running(*arguments: str) -> Iterator[tuple[Popen[bytes], str]]:
    """Start a server on a free port; yields it and its address."""
    server = process("serve", "--port", "0", *arguments)
    assert server.stderr is not None
    try:
        line = server.stderr.readline().decode()
        found = re.search(r"http://\S+", line)
        assert found, line + server.stderr.read().decode()
        yield server, found[0]
    finally:
        server.kill()
        server.communicate()


def _get(address: str, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.mark.usefixtures("library")
def test_it_answers_until_ctrl_c() -> None:
    with _running() as (server, address):
        assert address.startswith("http://127.0.0.1:")
        status, body = _get(f"{address}api/v1/search?q=noise&limit=1")
        assert status == 200
        assert len(json.loads(body)["hits"]) == 1
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0


@pytest.mark.usefixtures("library")
def test_for_other_machines_it_makes_a_token() -> None:
    with _running("--host", "0.0.0.0") as (_, address):
        base, token = address.split("?token=")
        assert len(token) >= 32
        assert _get(f"{base}api/v1/status")[0] == 401
        assert _get(f"{base}api/v1/status", Authorization=f"Bearer {token}")[0] == 200


def test_with_roots_an_empty_library_is_made(home: Path) -> None:
    (home / "sounds").mkdir()
    with _running("--root", str(home / "sounds")) as (_, address):
        roots = json.loads(_get(f"{address}api/v1/status")[1])["roots"]
        assert [root["path"] for root in roots] == [str(home / "sounds")]


def _refused(*arguments: str) -> str:
    result = typed("serve", *arguments)
    assert result.exit_code == 2
    assert "→" in result.stderr
    return result.stderr


@pytest.mark.usefixtures("home")
def test_without_a_library() -> None:
    said = _refused("--port", "0")
    assert "there is no library in library" in said
    assert "soundseek index FOLDER" in said


@pytest.mark.usefixtures("library")
def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = _refused("--port", str(port))
    assert f"port {port} of 127.0.0.1 is taken" in said
    assert "--port" in said.split("→")[1]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("host", ["192.0.2.1", "x" * 70])
def test_an_address_of_another_machine(host: str) -> None:
    assert host in _refused("--host", host, "--port", "0", "--token", "t")


@pytest.mark.usefixtures("library")
def test_a_token_that_cannot_stand_in_an_address() -> None:
    assert "cannot stand in an address" in _refused("--token", "a b", "--port", "0")


@pytest.mark.usefixtures("library")
def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    said = _refused("--port", "0")
    assert "the server needs uvicorn" in said
    assert "pip install 'soundseek[serve]'" in said


@pytest.mark.parametrize(
    ("host", "token", "address"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:1/"),
        ("0.0.0.0", "t", "http://127.0.0.1:1/?token=t"),
        ("::", "t", "http://[::1]:1/?token=t"),
        ("fe80::1", None, "http://[fe80::1]:1/"),
        ("studio", None, "http://studio:1/"),
    ],
)
def test_addresses_to_open(host: str, token: str | None, address: str) -> None:
    assert module.page_address(Settings(host=host, port=1, token=token)) == address


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("studio", False),
    ],
)
def test_which_addresses_are_this_machine_alone(host: str, is_loopback: bool) -> None:
    assert Settings(host=host).is_loopback is is_loopback
