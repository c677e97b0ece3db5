"""The page's files over HTTP, and that a wheel has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import soundseek.serve
from soundseek.serve.routes.page import TYPES, assets

PAGE = Path(soundseek.serve.__file__).parent / "page"


def test_the_front_page(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert client.head("/").status_code == 200


@pytest.mark.parametrize("name", sorted(path.name for path in PAGE.iterdir()))
def test_every_file_is_served_as_what_it_is(client: TestClient, name: str) -> None:
    answer = client.get("/" if name == "index.html" else f"/assets/{name}")
    assert answer.status_code == 200
    assert answer.content == (PAGE / name).read_bytes()
    assert answer.headers["content-type"] == TYPES[name.rpartition(".")[2]]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_browser_that_has_a_file_is_told_so(client: TestClient) -> None:
    first = client.get("/assets/main.js")
    assert first.headers["cache-control"] == "no-cache"
    for tags in (first.headers["etag"], f'"old", W/{first.headers["etag"]}', "*"):
        again = client.get("/assets/main.js", headers={"If-None-Match": tags})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == first.headers["etag"]
    changed = client.get("/assets/main.js", headers={"If-None-Match": '"old"'})
    assert changed.status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "no-such.js",
        "__init__.py",
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "..%5capp.py",
        "%2fetc%2fpasswd",
        "main.js%00.css",
        "",
        ".",
        "MAIN.JS",
    ],
)
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    answer = client.get(f"/assets/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_page_needs_nothing_from_elsewhere() -> None:
    for name, asset in assets().items():
        text = asset.content.decode()
        outside = [
            url
            for url in re.findall(r"https?://[^\s\"'`)<]+", text)
            if not url.startswith(("http://www.w3.org/", "http://localhost"))
        ]
        assert not outside, f"{name} names {outside}"


def test_nothing_is_inline() -> None:
    """A content security policy without `unsafe-inline` would silently switch it off."""
    page = assets()["index.html"].content.decode()
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|<script(?![^>]*\ssrc=)", page)
    for name, asset in assets().items():
        if name.endswith(".js"):
            text = asset.content.decode()
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacentHTML|eval\(|new Function", text
            ), name


def test_every_name_in_the_files_is_a_file() -> None:
    known = {f"/assets/{name}" for name in assets()}
    named: set[str] = set()
    for asset in assets().values():
        named |= set(re.findall(r"/assets/[\w.-]+", asset.content.decode()))
    assert named <= known
    unused = {name for name in known - named if not name.endswith("index.html")}
    assert not unused


def test_files_stay_small() -> None:
    lines = {path.name: len(path.read_text().splitlines()) for path in PAGE.iterdir()}
    assert {name: n for name, n in lines.items() if n > 250} == {}


def test_a_wheel_has_the_page(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    from zipfile import ZipFile

    from hatchling.builders.wheel import WheelBuilder

    root = Path(__file__).resolve().parents[3]
    (wheel,) = WheelBuilder(str(root)).build(directory=str(tmp_path), versions=["standard"])
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"soundseek/serve/page/{path.name}" for path in PAGE.iterdir()} <= names
