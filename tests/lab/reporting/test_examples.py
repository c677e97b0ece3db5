from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("torch")

from soundseek.lab.reporting.captioned import Captioned
from soundseek.lab.reporting.examples import examples, sounds_of
from soundseek.lab.reporting.examples_page import examples_page
from soundseek.lab.run_captions import RunCaptions
from soundseek.metrics.captions import CaptionEvaluation, CaptionMetric
from support.pages import read_page

pytestmark = pytest.mark.lab

Made = Callable[..., Path]


def captioned(cider: dict[str, float] | None) -> Captioned:
    clips = list(cider or "abcde")
    captions = RunCaptions(
        {clip: f"caption of {clip}" for clip in clips},
        {clip: [f"what {clip} is"] for clip in clips},
    )
    if cider is None:
        return Captioned(captions, None, "no metrics")
    metric = CaptionMetric(sum(cider.values()) / len(cider), None, cider)
    return Captioned(captions, CaptionEvaluation(len(cider), {"cider": metric}, {}, "python", ()))


def test_best_and_worst_share_no_clip_and_equal_ones_keep_their_order() -> None:
    cider = {"a": 0.5, "b": 0.1, "c": 0.9, "d": 0.5, "e": 0.1, "f": 0.5, "g": 0.0}
    found = examples(captioned(cider), {}, seed=1, most=2)
    assert [one.clip for one in found.best] == ["c", "a"]
    assert [one.clip for one in found.worst] == ["g", "b"]
    whole = examples(captioned(cider), {}, seed=1)
    assert [one.clip for one in whole.best] == ["c", "a", "d"]
    assert [one.clip for one in whole.worst] == ["g", "b", "e"]
    assert (whole.best[0].cider, whole.best[0].caption) == (0.9, "caption of c")
    assert whole.best[0].references == ["what c is"]


def test_some_are_drawn_by_the_seed() -> None:
    cider = {str(i): i / 50 for i in range(50)}
    drawn = [
        [one.clip for one in examples(captioned(cider), {}, seed=seed, most=10).drawn]
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 10
    assert (
        drawn[0] == [one.clip for one in examples(captioned(cider), {}, seed=1, most=20).drawn][:10]
    )


def test_without_cider_there_is_no_order() -> None:
    found = examples(captioned(None), {}, seed=1, most=3)
    assert (found.best, found.worst, len(found.drawn)) == ((), (), 3)
    assert found.unsorted == "no metrics"


def test_sounds_are_found_by_the_recipe(captioning_run: Made, tmp_path: Path) -> None:
    from soundseek.lab.run_folder import RunFolder

    recipe = RunFolder(captioning_run()).document()
    found = sounds_of(recipe)
    assert Path(found["b&b"].path) == tmp_path / "data" / "1 #1.wav"
    (tmp_path / "data" / "1 #1.wav").unlink()
    assert set(sounds_of(recipe)) == set(found)
    (tmp_path / "data" / "clips.jsonl").unlink()
    assert sounds_of(recipe) == {}
    assert sounds_of({"data": {"test": [{"nonsense": 1}]}}) == {}
    assert sounds_of({}) == {}


def test_the_page_is_well_formed_escaped_and_its_sounds_are_there(
    captioning_run: Made, tmp_path: Path
) -> None:
    from soundseek.lab.reporting.captions import told
    from soundseek.lab.reporting.run import read_run

    pytest.importorskip("pycocoevalcap")
    folder = captioning_run()
    text = told(read_run(folder)).pages["captions.html"]
    page = read_page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert "http" not in text
    assert "Captions of test/captions <made>" in page.text
    assert "a plane flies <past>" in page.text
    assert "The score is CIDEr" in page.text
    assert len(page.sounds) == 2 + 2 + 5
    for sound in page.sounds:
        assert Path(unquote(urlsplit(sound).path)).is_file()
    for kind in ("The best 2", "The worst 2", "All of them"):
        assert kind in page.text
    (tmp_path / "data" / "3 #3.wav").unlink()
    page = read_page(told(read_run(folder)).pages["captions.html"])
    assert "2 of 9 sounds are not there" in page.text
    assert len(page.sounds) == 7


def test_words_that_no_page_may_hold_do_not_harm_it() -> None:
    found: Any = examples(captioned({"<a>\x01\udcff": 1.0, "b": 0.0}), {}, seed=0)
    shown = examples_page("r", found, Path(), clips=2, seed=0)
    shown.encode("utf-8")
    assert read_page(shown).open == []
    assert "&lt;a&gt;��" in shown
