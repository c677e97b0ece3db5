"""The page on the real server: searching, listening, finding others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("playwright")
pytestmark = pytest.mark.slow

from playwright.sync_api import Page, expect

from soundseek.bundle.schema import Calibration
from soundseek.serve import finding
from soundseek.serve.app import create_app
from soundseek.serve.settings import Settings
from support.served_pages import serving

Visit = Callable[..., Page]


def ask(page: Page, text: str) -> None:
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.locator("#q").fill(text)
    page.keyboard.press("Enter")
    expect(page.locator("#found-count")).to_contain_text("closest")
    expect(page.locator("#row-0:not(.waiting)")).to_be_visible()


def sounding(page: Page) -> None:
    """Wait until the audio element plays and can be heard; its time must move on."""
    moves = """() => {
        const audio = document.getElementById('audio');
        if (audio.paused || audio.ended || audio.error) return false;
        if (audio.muted || !audio.volume) return false;
        window.heard ??= {};
        const before = window.heard[audio.src];
        window.heard[audio.src] ??= audio.currentTime;
        return before !== undefined && audio.currentTime > before + 0.15;
    }"""
    page.wait_for_function(moves, polling=50)


def name_of(page: Page, row: int) -> str:
    return page.locator(f"#row-{row} .name").inner_text()


def test_type_then_listen_with_the_arrow_keys(visit: Visit, address: str) -> None:
    page = visit(address)
    ask(page, "an emergency siren")
    assert "siren" in name_of(page, 0)
    page.keyboard.press("ArrowDown")
    expect(page.locator("#grid")).to_be_focused()
    expect(page.locator("#grid")).to_have_attribute("aria-activedescendant", "row-0")
    sounding(page)
    page.keyboard.press("ArrowDown")
    expect(page.locator("#row-1")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#row-1")).to_have_class("row active sounding")
    expect(page.locator(".dock-what .name")).to_have_text(name_of(page, 1))
    sounding(page)
    page.keyboard.press("Space")
    page.wait_for_function("() => document.getElementById('audio').paused")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#row-0")).to_have_attribute("aria-selected", "true")
    sounding(page)


def test_a_row_plays_from_its_best_window(visit: Visit, address: str) -> None:
    page = visit(address)
    ask(page, "thunder")
    hits = page.evaluate("fetch('/api/v1/search?q=thunder').then(r => r.json())")["hits"]
    row = next(i for i, hit in enumerate(hits) if hit["start_s"] > 1)
    page.locator("#grid").focus()
    for _ in range(row + 1):
        page.keyboard.press("ArrowDown")
    sounding(page)
    at = page.evaluate("document.getElementById('audio').currentTime")
    assert hits[row]["start_s"] <= at < hits[row]["start_s"] + 4


def test_the_moments_of_a_long_recording(visit: Visit, address: str) -> None:
    page = visit(address)
    page.get_by_role("button", name="10–60 s").click()
    ask(page, "thunder")
    with page.expect_response("**/moments?**") as told:
        page.keyboard.press("ArrowDown")
    found = told.value.json()["moments"]
    moments = sorted(
        (moment["start_s"], moment["end_s"])
        for moment in found
        if (moment["probability"] or 1) >= (found[0]["probability"] or 0) / 4
    )
    # Those that touch are one.
    ends = [-1.0, *(end for _, end in moments)]
    starts = [start for (start, _), end in zip(moments, ends, strict=False) if start - end >= 0.25]
    page.keyboard.press("0")
    sounding(page)
    page.wait_for_timeout(500)  # the page reads the answer, and goes to the best part
    before = page.evaluate("document.getElementById('audio').currentTime")
    later = [start for start in starts if start > before + 1]
    page.keyboard.press("." if later else ",")
    # It sounds all the while: only the place tells that it went there.
    page.wait_for_function(
        "before => Math.abs(document.getElementById('audio').currentTime - before) > 1", arg=before
    )
    at = page.evaluate("document.getElementById('audio').currentTime")
    assert any(0 <= at - start < 3 for start in starts)
    assert at > before + 1 if later else at < before


def test_a_click_on_the_waveform_plays_from_there(visit: Visit, address: str) -> None:
    page = visit(address)
    ask(page, "thunder")
    wave = page.locator("#row-0 .wave")
    box = wave.bounding_box()
    assert box
    wave.click(position={"x": box["width"] * 0.5, "y": 10})
    sounding(page)
    assert (
        page.evaluate("(a => a.currentTime / a.duration)(document.getElementById('audio'))") >= 0.5
    )


def test_a_score_says_what_it_means(
    visit: Visit, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "of_hits", lambda _: Calibration(9.0, -4.0, "hits"))
    page = visit(address)
    ask(page, "an emergency siren")
    score = page.locator("#row-0 .c-score")
    assert score.inner_text().endswith("likely")
    assert "of 100 hits with this score" in score.get_attribute("title")


def test_more_like_this_then_back(visit: Visit, address: str) -> None:
    page = visit(address)
    ask(page, "a dog is barking")
    page.keyboard.press("ArrowDown")
    name = name_of(page, 0)
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_contain_text(name)
    expect(page.locator("#q")).to_have_value("")
    assert "like=" in page.url
    page.go_back()
    expect(page.locator("#q")).to_have_value("a dog is barking")
    expect(page.locator(".chip")).to_have_count(0)
    page.reload()
    expect(page.locator("#q")).to_have_value("a dog is barking")
    expect(page.locator("#row-0 .name")).to_have_text(name)


def test_less_like_this_leaves_its_words_out(visit: Visit, address: str) -> None:
    page = visit(address)
    ask(page, "an animal")
    before = [name_of(page, row) for row in range(5)]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".chip.not")).to_have_count(1)
    page.wait_for_function(
        "n => document.querySelector('#row-0 .name').textContent !== n", arg=before[0]
    )
    assert "without=" in page.url
    page.locator(".chip.not button").click()
    expect(page.locator("#row-0 .name")).to_have_text(before[0])


def test_filters_narrow_what_is_found(visit: Visit, address: str) -> None:
    page = visit(address)
    ask(page, "water")
    page.locator("#filters").get_by_label("flac").check()
    expect(page.locator("#row-0 .c-format")).to_have_text("flac")
    formats = page.locator(".row:not(.waiting) .c-format").all_inner_texts()
    assert {text.lower() for text in formats} == {"flac"}
    page.get_by_role("button", name="< 2 s").click()
    expect(page.locator("#nothing")).to_contain_text("No sound passes the filters")
    page.get_by_role("button", name="Clear the filters").click()
    expect(page.locator("#row-0")).to_be_visible()
    page.locator("#filters").get_by_label("animals").check()
    expect(page.locator("#row-0 .where")).to_contain_text("animals")


DROP = """async ([name, url]) => {
    const bytes = await (await fetch(url)).arrayBuffer();
    const data = new DataTransfer();
    data.items.add(new File([bytes], name, {type: 'audio/wav'}));
    const options = {dataTransfer: data, bubbles: true, cancelable: true};
    for (const kind of ['dragover', 'drop'])
        document.body.dispatchEvent(new DragEvent(kind, options));
}"""


def test_drop_a_file_to_search_by_it(visit: Visit, address: str) -> None:
    page = visit(address)
    clips = page.evaluate("fetch('/api/v1/clips?limit=200').then(r => r.json())")["clips"]
    clip = next(clip for clip in clips if clip["name"].startswith("siren"))
    page.evaluate(DROP, ["my siren.wav", f"/api/v1/clips/{clip['id']}/audio"])
    expect(page.locator(".chip")).to_contain_text("my siren.wav")
    expect(page.locator("#row-0 .name")).to_have_text(clip["name"])
    page.locator("#q").fill("a dog")
    expect(page.locator(".chip input[type=range]")).to_be_visible()


def test_pick_a_file_to_search_by_it(visit: Visit, address: str, sample_sounds: Path) -> None:
    page = visit(address)
    sound = next(sample_sounds.rglob("siren*"))
    page.locator("#picked").set_input_files(sound)
    expect(page.locator("#row-0 .name")).to_have_text(sound.name)


def test_record_from_the_microphone(visit: Visit, address: str) -> None:
    page = visit(address, permissions=["microphone"])
    page.locator("#record").click()
    expect(page.locator("#record")).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(1500)
    page.locator("#record").click()
    expect(page.locator(".chip")).to_contain_text("recording.wav")
    expect(page.locator("#row-0:not(.waiting)")).to_be_visible()


def test_favourites_are_kept_shown_and_exported(visit: Visit, address: str) -> None:
    page = visit(address)
    ask(page, "rain")
    page.keyboard.press("ArrowDown")
    name = name_of(page, 0)
    page.keyboard.press("f")
    expect(page.locator("#row-0 [data-does=favourite]")).to_have_attribute("aria-pressed", "true")
    page.reload()
    page.locator("#favourites").click()
    expect(page.locator("#found-count")).to_have_text("1 favourite")
    expect(page.locator("#row-0 .name")).to_have_text(name)
    for text, ending in (("CSV", "csv"), ("M3U", "m3u"), ("ZIP", "zip")):
        page.get_by_role("button", name="Export").click()
        with page.expect_download() as download:
            page.get_by_role("menuitem").filter(has_text=text).click()
        assert download.value.suggested_filename == f"favourites.{ending}"
        content = Path(download.value.path()).read_bytes()
        assert content.startswith(b"PK") if ending == "zip" else name.encode() in content
    page.locator("#grid").focus()
    page.keyboard.press("ArrowDown")
    sounding(page)
    page.keyboard.press("f")
    expect(page.locator("#nothing")).to_contain_text("No favourites yet")


def test_a_row_can_be_dragged_out_as_a_file(visit: Visit, address: str) -> None:
    page = visit(address)
    ask(page, "rain")
    data = page.evaluate("""() => {
        const data = new DataTransfer();
        const begin = new DragEvent('dragstart', {dataTransfer: data, bubbles: true});
        document.getElementById('row-0').dispatchEvent(begin);
        return Object.fromEntries([...data.types].map((type) => [type, data.getData(type)]));
    }""")
    kind, name, url = data["downloadurl"].split(":", 2)
    assert kind.startswith("audio/")
    assert name == name_of(page, 0)
    assert data["text/uri-list"] == url
    assert data["text/plain"].endswith(name)
    answer = page.request.get(url)
    assert answer.ok
    assert "attachment" in answer.headers["content-disposition"]


def test_details_attribution_and_path(visit: Visit, address: str) -> None:
    page = visit(address)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, "rain")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("c")
    expect(page.locator(".toast")).to_contain_text("Path copied")
    assert page.evaluate("navigator.clipboard.readText()").endswith(name_of(page, 0))
    page.keyboard.press("i")
    expect(page.get_by_role("dialog")).to_contain_text("Attribution")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#grid")).to_be_focused()


def test_loop_volume_and_same_loudness(visit: Visit, address: str) -> None:
    page = visit(address)
    ask(page, "a dog is barking")
    page.keyboard.press("ArrowDown")
    sounding(page)
    for key, label in (("l", "Loop"), ("n", "same loudness"), ("s", "Silence")):
        page.keyboard.press(key)
        button = page.locator("#dock").get_by_role("button", name=label)
        expect(button).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("s")
    sounding(page)
    page.keyboard.press("-")
    assert page.evaluate("document.getElementById('audio').volume") == pytest.approx(0.9)
    length = page.evaluate("document.getElementById('audio').duration")
    page.wait_for_timeout(int(length * 1000) + 500)
    sounding(page)


def test_earlier_searches(visit: Visit, address: str) -> None:
    page = visit(address)
    ask(page, "rain")
    ask(page, "thunder")
    page.locator("#q").fill("")
    page.locator("#q").press("ArrowUp")
    expect(page.locator("#q")).to_have_value("thunder")
    page.locator("#q").press("ArrowUp")
    expect(page.locator("#q")).to_have_value("rain")
    page.locator("#history").click()
    page.get_by_role("menuitem", name="thunder").click()
    expect(page.locator("#q")).to_have_value("thunder")
    expect(page.locator("#q")).to_be_focused()


def test_a_token_opens_the_page(visit: Visit, library_of_samples: Path) -> None:
    app = create_app(library_of_samples, Settings(token="open sesame", requests_per_minute=0))
    with serving(app) as url:
        page = visit(f"{url}/?token=wrong")
        expect(page.locator("body")).to_contain_text("not the token")
        page.goto(f"{url}/?token=open%20sesame")
        assert "token" not in page.url
        ask(page, "rain")
        page.keyboard.press("ArrowDown")
        sounding(page)


def test_a_new_sound_can_be_indexed_from_the_page(
    visit: Visit, address: str, sample_sounds: Path
) -> None:
    broken = sample_sounds / "broken.wav"
    broken.write_bytes(b"RIFF but then no more")
    page = visit(address)
    page.locator("#library-chip").click()
    page.get_by_role("button", name="Listen again").click()
    expect(page.locator(".failures")).to_contain_text("broken.wav", timeout=60_000)
    expect(page.locator(".progress")).to_contain_text("Done", timeout=60_000)
