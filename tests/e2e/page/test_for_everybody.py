"""The page by keyboard alone, at phone width, in both themes, and to those who do not see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("playwright")
pytestmark = pytest.mark.slow

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

Visit = Callable[..., Page]


def clean(page: Page) -> None:
    """axe-core must have nothing to say; its answers are told in full where it has."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_is_content(visit: Visit, address: str, place: Any, theme: str) -> None:
    page = visit(f"{address}/?q=rain&without=thunder", theme=theme)
    expect(page.locator("#row-0:not(.waiting)")).to_be_visible()
    page.locator("#grid").focus()
    page.keyboard.press("ArrowDown")
    clean(page)
    page.keyboard.press("m")
    clean(page)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    clean(page)
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    expect(page.get_by_role("dialog")).to_be_visible()
    clean(page)
    page.keyboard.press("Escape")
    page.goto(f"{address}/?view=favourites")
    expect(page.locator("#nothing")).to_be_visible()
    clean(page)
    page.goto(place.url)
    page.locator("#library-chip").click()
    page.get_by_role("button", name="Listen again").first.click()
    expect(page.locator(".failures")).to_be_visible()
    clean(page)


def test_the_theme_follows_the_system_until_told(visit: Visit, address: str) -> None:
    page = visit(address, theme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(colour)
    assert dark != light
    page.locator("#theme").click()
    page.locator("#theme").click()
    assert page.evaluate(colour) == dark
    page.reload()
    assert page.evaluate(colour) == dark
    expect(page.locator("#theme")).to_have_attribute("aria-label", "Theme: dark")
    page.locator("#theme").click()
    assert page.evaluate(colour) == light


def test_everything_by_keyboard(visit: Visit, address: str) -> None:
    page = visit(address)
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("a dog is barking")
    expect(page.locator("#found-count")).to_contain_text("closest")
    page.keyboard.press("ArrowDown")
    page.wait_for_function("() => document.getElementById('audio').currentTime > 0")
    page.keyboard.press("m")
    expect(page.get_by_role("menuitem").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem").nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#grid")).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("More like this")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#q")).to_be_focused()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.title"))
    for needed in ("history", "pick", "record", "library-chip", "favourites", "theme", "grid"):
        assert needed in reached
    assert any("Play or pause" in one for one in reached)


def test_the_active_row_is_told(visit: Visit, address: str) -> None:
    page = visit(f"{address}/?q=rain")
    expect(page.locator("#row-0:not(.waiting)")).to_be_visible()
    expect(page.locator("#live")).to_contain_text("sounds for rain")
    label = page.locator("#row-0").get_attribute("aria-label")
    assert label.startswith("1. ")
    assert page.locator("#row-0 .name").inner_text() in label


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_phone_width(visit: Visit, address: str, theme: str) -> None:
    page = visit(address, phone=True, theme=theme)
    expect(page.locator("#row-0:not(.waiting)")).to_be_visible()
    page.locator("#q").fill("rain")
    expect(page.locator("#found-count")).to_contain_text("closest")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator("#row-0 .name").tap()
    page.wait_for_function("() => document.getElementById('audio').currentTime > 0")
    clean(page)
    page.locator("#filters-open").tap()
    expect(page.locator("#filters").get_by_label("wav")).to_be_in_viewport()
    page.wait_for_timeout(200)
    clean(page)
    page.get_by_role("button", name="Close the filters").tap()
    expect(page.locator("#filters").get_by_label("wav")).not_to_be_visible()


def test_nothing_moves_for_those_who_asked_for_it(visit: Visit, address: str) -> None:
    page = visit(address, reduced_motion="reduce")
    moving = page.evaluate("""() => [...document.querySelectorAll('*')].filter((node) => {
        const style = getComputedStyle(node);
        return parseFloat(style.transitionDuration) > 0 || parseFloat(style.animationDuration) > 0;
    }).length""")
    assert moving == 0
