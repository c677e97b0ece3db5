"""Pictures of the page for the documentation: `python bench/screenshots.py [FOLDER]`.

Sounds are made by code (`soundseek.synth`), the answers are the real server's with the embedded
model; only the index job is staged, so that it can be caught half-way. Needs Chromium and the dev
dependencies.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from e2e.page.fake_api import FakeServer, Sounds, make_app, new_job
from soundseek.library import Library
from soundseek.serve.app import create_app
from soundseek.serve.settings import Settings
from soundseek.synth import KINDS, SCENES, plan_collection, write_collection
from support.served_pages import serving

LARGEST_BYTES = 250_000
WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


def said(sounds: Path) -> list[tuple[Path, str]]:
    """Captions for two sounds in three, as a library has them that is being described."""
    return [
        (sounds / item.path, (SCENES if item.is_scene else KINDS)[item.name].caption)
        for item in plan_collection(variants=3)
        if item.variant < 2
    ]


@contextmanager
def opened(browser: Browser, url: str, *, theme: str, phone: bool = False) -> Iterator[Page]:
    context = browser.new_context(
        viewport=PHONE if phone else WIDE,
        color_scheme=theme,
        has_touch=phone,
        is_mobile=phone,
        device_scale_factor=2 if phone else 1,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(url)
    page.locator("#row-0:not(.waiting)").wait_for()
    yield page
    context.close()


def listen(page: Page, text: str, rows: int) -> None:
    """Search, go down to row `rows`, mark it as a favourite, and be caught listening to it."""
    page.locator("#q").fill(text)
    page.keyboard.press("Enter")
    page.locator("#found-count", has_text="closest").wait_for()
    page.wait_for_timeout(600)
    for _ in range(rows):
        page.keyboard.press("ArrowDown")
        page.wait_for_timeout(150)
    page.keyboard.press("f")
    page.wait_for_timeout(1500)


def shoot(page: Page, path: Path) -> None:
    page.screenshot(path=path)
    size = path.stat().st_size
    print(f"{path}  {size / 1000:.0f} kB")
    if size > LARGEST_BYTES:
        raise SystemExit(f"{path} has more than {LARGEST_BYTES:,} bytes")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if program is None:
        raise SystemExit("there is no chromium: apt install chromium, or set CHROMIUM")
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        sounds = Path(work) / "sounds"
        write_collection(sounds, variants=3)
        with Library.open(Path(work) / "library", create=True) as library:
            library.index([sounds], threads=1)
            library.add_captions(said(sounds))
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        app = create_app(Path(work) / "library", Settings(requests_per_minute=0))
        with serving(app) as url:
            urlopen(f"{url}/api/v1/search?q=rain").read()  # the first search loads the model
            for theme, name in (("dark", "search.png"), ("light", "search-light.png")):
                with opened(browser, url, theme=theme) as page:
                    listen(page, "a dog is barking outside", 2)
                    shoot(page, folder / name)
            with opened(browser, url, theme="dark", phone=True) as page:
                listen(page, "someone knocks on a door", 2)
                shoot(page, folder / "phone.png")
        fake = FakeServer(job=new_job() | {"held": True})
        with serving(make_app(Sounds(Path(work) / "few", 4210), fake)) as url:
            with opened(browser, url, theme="dark") as page:
                page.locator("#library-chip").click()
                page.locator(".failures").wait_for()
                page.wait_for_timeout(800)
                shoot(page, folder / "indexing.png")
            fake.job = None
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
