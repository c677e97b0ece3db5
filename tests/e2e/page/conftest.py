"""A browser, and servers for it to visit: the real one, and one with made-up answers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

for _needed in ("fastapi", "uvicorn", "playwright", "axe_playwright_python"):
    pytest.importorskip(_needed, reason=f"{_needed} is not installed (pip install -e '.[dev]')")

from playwright.sync_api import Browser, Page, sync_playwright

from e2e.page.fake_api import FakeServer, Sounds, make_app
from soundseek.library import Library
from soundseek.serve.app import create_app
from soundseek.serve.settings import Settings
from soundseek.synth import write_collection
from support.served_pages import serving

FLAGS = [
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=user-gesture-required",
    # A container has no user namespaces for Chromium's sandbox; only our own pages are opened.
    "--no-sandbox",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; of a module, since Playwright keeps an event loop in this thread that
    tests elsewhere could not live beside."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium (apt install chromium, or set CHROMIUM)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def sample_sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of synthetic sounds."""
    folder = tmp_path_factory.mktemp("page") / "sounds"
    write_collection(folder, variants=1)
    return folder


@pytest.fixture(scope="session")
def library_of_samples(sample_sounds: Path) -> Path:
    """A library of `sample_sounds` made with the embedded model."""
    folder = sample_sounds.parent / "library"
    with Library.open(folder, create=True) as library:
        library.index([sample_sounds], threads=1)
    return folder


@pytest.fixture(scope="session")
def address(library_of_samples: Path) -> Iterator[str]:
    """Where the real server answers."""
    with serving(create_app(library_of_samples, Settings(requests_per_minute=0))) as url:
        yield url


class FakePlace:
    """A made-up server that can go away and come back to the same address."""

    def __init__(self, sounds: Sounds) -> None:
        self.fake = FakeServer()
        self._app = make_app(sounds, self.fake)
        self._open = ExitStack()
        self.url = ""
        self.start()

    def start(self) -> None:
        port = int(self.url.rpartition(":")[2]) if self.url else 0
        self.url = self._open.enter_context(serving(self._app, port))

    def stop(self) -> None:
        self._open.close()


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Sounds:
    """A hundred thousand sounds, by repeating a few."""
    return Sounds(tmp_path_factory.mktemp("made-up"), 100_000)


@pytest.fixture
def place(made_up: Sounds) -> Iterator[FakePlace]:
    """A made-up server."""
    place = FakePlace(made_up)
    yield place
    place.stop()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens pages: `visit(url, theme="dark")`. At the end none may have had an error of its own:
    no exception, no violation of the content security policy."""
    pages: list[tuple[Page, list[str]]] = []

    def open_page(url: str, *, theme: str = "dark", phone: bool = False, **options: Any) -> Page:
        size = {"width": 360, "height": 740} if phone else {"width": 1280, "height": 800}
        context = browser.new_context(
            viewport=size, color_scheme=theme, has_touch=phone, is_mobile=phone, **options
        )
        context.set_default_timeout(15_000)
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(f"exception: {error}"))
        page.on(
            "console",
            lambda said: (
                wrong.append(said.text)
                if "Content Security" in said.text or "Refused to" in said.text
                else None
            ),
        )
        pages.append((page, wrong))
        page.goto(url)
        return page

    yield open_page
    for page, wrong in pages:
        page.context.close()
        assert wrong == []
