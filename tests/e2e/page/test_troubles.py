"""The page on a made-up server: long lists, slow and failing answers, jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("playwright")
pytestmark = pytest.mark.slow

from playwright.sync_api import Page, expect

Visit = Callable[..., Page]


def asked(place: Any, part: str) -> list[str]:
    return [request for request in place.fake.requests if part in request]


def test_a_hundred_thousand_rows_stay_fluid(visit: Visit, place: Any) -> None:
    page = visit(place.url)
    expect(page.locator("#found-count")).to_have_text("100,000 sounds")
    grid = page.locator("#grid")
    expect(grid).to_have_attribute("aria-rowcount", "100000")
    # Sixty jumps down the whole list, as with the scroll bar, a frame each.
    page.evaluate("""async () => {
        const grid = document.getElementById('grid');
        window.most = 0;
        window.longest = 0;
        let before = performance.now();
        for (let turn = 1; turn <= 60; turn += 1) {
            grid.scrollTop = (grid.scrollHeight * turn) / 60;
            await new Promise(requestAnimationFrame);
            window.most = Math.max(window.most, document.querySelectorAll('.row').length);
            window.longest = Math.max(window.longest, performance.now() - before);
            before = performance.now();
        }
    }""")
    expect(page.locator("#row-99999:not(.waiting)")).to_be_visible()
    assert page.evaluate("window.most") <= 40
    assert page.evaluate("window.longest") < 500
    page.wait_for_timeout(500)
    assert len(asked(place, "/clips?")) <= 12
    assert len(asked(place, "/peaks")) <= 60
    assert page.evaluate("(g => g.scrollWidth <= g.clientWidth)(document.getElementById('grid'))")


def test_home_and_end_reach_the_ends(visit: Visit, place: Any) -> None:
    page = visit(place.url)
    expect(page.locator("#row-0:not(.waiting)")).to_be_visible()
    page.locator("#grid").focus()
    page.keyboard.press("End")
    expect(page.locator("#row-99999")).to_have_class("row active sounding")
    page.keyboard.press("PageUp")
    page.keyboard.press("Home")
    expect(page.locator("#row-0")).to_have_attribute("aria-selected", "true")
    # The active row stays in the document, or who listens would lose their place.
    page.evaluate("document.getElementById('grid').scrollTop = 900000")
    page.wait_for_timeout(300)
    expect(page.locator("#row-0")).to_have_count(1)


def test_typing_asks_once_and_cancels_what_it_no_longer_wants(visit: Visit, place: Any) -> None:
    page = visit(place.url)
    expect(page.locator("#row-0:not(.waiting)")).to_be_visible()
    place.fake.delay_s = 1.5
    cancelled: list[str] = []
    page.on("requestfailed", lambda request: cancelled.append(request.url))
    page.locator("#q").press_sequentially("thunder", delay=40)
    page.wait_for_timeout(500)
    page.locator("#q").press_sequentially(" far away", delay=40)
    expect(page.locator("#found-count")).to_contain_text("closest")
    searches = asked(place, "/search")
    assert len(searches) == 2, searches
    assert "far" in searches[1]
    assert [url for url in cancelled if "/search" in url] == [place.url + searches[0]]


def test_a_percentile_where_the_model_is_not_calibrated(visit: Visit, place: Any) -> None:
    place.fake.calibrated = False
    page = visit(f"{place.url}/?q=thunder")
    expect(page.locator("#row-0 .c-score")).to_contain_text("top")


def test_nothing_found_says_what_to_do(visit: Visit, place: Any) -> None:
    page = visit(f"{place.url}/?q=zzz")
    expect(page.locator("#nothing")).to_contain_text("Nothing found")
    page.get_by_role("button", name="a dog is barking").click()
    expect(page.locator("#row-0:not(.waiting)")).to_be_visible()
    expect(page.locator("#nothing")).to_be_hidden()


def test_words_that_are_not_understood_are_named(visit: Visit, place: Any) -> None:
    page = visit(f"{place.url}/?q=xyzzy rain")
    expect(page.locator("#found-count")).to_contain_text("not understood: xyzzy")


def test_the_server_goes_and_comes_back(visit: Visit, place: Any) -> None:
    page = visit(place.url)
    expect(page.locator("#row-0:not(.waiting)")).to_be_visible()
    place.stop()
    page.locator("#q").fill("thunder")
    expect(page.locator("#banner")).to_contain_text("Trying again in")
    expect(page.locator("#nothing")).to_contain_text("The server does not answer")
    place.start()
    expect(page.locator("#banner")).to_be_hidden(timeout=15_000)
    expect(page.locator("#row-0:not(.waiting)")).to_be_visible()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (429, "Too many requests"),
        (401, "This server wants its token"),
        (422, "The query is too long"),
        (500, "Something broke"),
    ],
)
def test_problems_are_shown_with_their_remedy(
    visit: Visit, place: Any, status: int, said: str
) -> None:
    place.fake.problems["/api/v1/search"] = (
        status,
        {"title": said, "detail": "more about it", "remedy": "do this instead"},
    )
    page = visit(f"{place.url}/?q=rain")
    expect(page.locator("#nothing")).to_contain_text(said)
    if status != 401:
        expect(page.locator("#nothing")).to_contain_text("Do this instead.")
        place.fake.problems.clear()
        page.get_by_role("button", name="Try again").click()
        expect(page.locator("#row-0:not(.waiting)")).to_be_visible()


def test_a_sound_that_is_too_large_is_not_sent(visit: Visit, place: Any) -> None:
    page = visit(place.url)
    expect(page.locator("#library-text")).to_have_text("100,000 sounds")
    large = {"name": "long.wav", "mimeType": "audio/wav", "buffer": bytes(5_000_001)}
    page.locator("#picked").set_input_files(large)
    expect(page.locator(".toast.wrong")).to_contain_text("too large")
    assert place.fake.uploads == []


def test_a_sound_that_cannot_be_played_says_why(visit: Visit, place: Any) -> None:
    page = visit(place.url)
    expect(page.locator("#row-0:not(.waiting)")).to_be_visible()
    place.fake.problems["/api/v1/clips/0/audio"] = (
        409,
        {"detail": "it has changed since it was indexed", "remedy": "index its folder again"},
    )
    page.locator("#grid").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".toast.wrong")).to_contain_text("does not play")
    expect(page.locator(".toast.wrong")).to_contain_text("Index its folder again.")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#row-1")).to_have_class("row active sounding")


def test_a_refused_microphone_says_what_to_do(visit: Visit, place: Any) -> None:
    page = visit(place.url)
    page.evaluate("""() => {
        const no = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
        navigator.mediaDevices.getUserMedia = no;
    }""")
    page.locator("#record").click()
    expect(page.locator(".toast.wrong")).to_contain_text("The microphone was refused")
    expect(page.locator(".toast.wrong")).to_contain_text("drop a sound file instead")


def test_an_upload_that_has_expired(visit: Visit, place: Any) -> None:
    place.fake.problems["/api/v1/search"] = (404, {"title": "Not found", "detail": "gone"})
    page = visit(f"{place.url}/?upload=up9&upload_name=clap.wav")
    expect(page.locator("#nothing")).to_contain_text("let go of your sound")
    place.fake.problems.clear()
    page.get_by_role("button", name="Search without it").click()
    expect(page.locator("#row-0:not(.waiting)")).to_be_visible()


def test_indexing_shows_progress_and_unreadable_files(visit: Visit, place: Any) -> None:
    page = visit(place.url)
    page.locator("#library-chip").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Listen again").nth(1)).to_be_disabled()
    dialog.get_by_role("button", name="Listen again").first.click()
    expect(page.locator("#library-text")).to_contain_text("of 4,210")
    expect(dialog).to_contain_text("3 files could not be read")
    expect(dialog).to_contain_text("tape_07.wav")
    expect(dialog).to_contain_text("Done")
    expect(page.locator(".toast")).to_contain_text("Indexing is done")


def test_indexing_can_be_stopped(visit: Visit, place: Any) -> None:
    page = visit(place.url)
    page.locator("#library-chip").click()
    page.get_by_role("button", name="Listen again").first.click()
    page.get_by_role("button", name="Stop after this file").click()
    expect(page.get_by_role("dialog")).to_contain_text("Stopped")


def test_a_favourite_of_another_time_is_not_taken_for_a_new_sound(visit: Visit, place: Any) -> None:
    page = visit(place.url)
    expect(page.locator("#row-0:not(.waiting)")).to_be_visible()
    page.locator("#grid").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("f")
    page.reload()
    page.route("**/api/v1/clips/0", lambda route: route.fulfill(json={"path": "/other.wav"}))
    page.locator("#favourites").click()
    expect(page.locator("#row-0")).to_have_class("row gone")
    expect(page.locator("#row-0 .where")).to_contain_text("search for it again")
