from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.lab.credits import attributions, licences
from soundseek.lab.data.manifest import Clip
from soundseek.lab.distilled.model_card import model_card
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.scorecard import table
from soundseek.lab.words.trained import load_words

pytestmark = pytest.mark.lab


def clip(name: str, source: str, licence: str, author: str | None = None) -> Clip:
    return Clip(
        id=name,
        path=name,
        duration_s=1800.0,
        captions=(),
        source=source,
        split="train",
        licence=licence,
        group=name,
        author=author,
        origin="https://example.org",
    )


CLIPS = [
    clip("a", "esc", "CC0", "Ann\n Lee"),
    clip("b", "esc", "CC-BY-4.0"),
    clip("c", "esc", "CC0", "Ann\n Lee"),
    clip("d", "games", "GPL-3.0", "Bob"),
]
CARD: dict[str, Any] = {
    "test": {
        "clips": 9,
        "queries": 20,
        "metrics": {
            "R@1": {"value": 0.25, "ci95": [0.1, 0.4]},
            "medR": {"value": 3.5, "ci95": None},
        },
    },
    "named": {
        "clips": 4,
        "classes": 2,
        "metrics": {"accuracy": {"value": 0.5, "ci95": [0.2, 0.8]}},
    },
}


def test_every_author_and_licence_is_named_once_with_the_number_of_clips() -> None:
    assert attributions(CLIPS).splitlines() == [
        "- esc (1): https://example.org — CC-BY-4.0",
        "- esc (2): Ann Lee — https://example.org — CC0",
        "- games (1): Bob — https://example.org — GPL-3.0",
    ]


def test_licences_by_source() -> None:
    assert licences(CLIPS) == [("esc", "CC-BY-4.0; CC0", 3), ("games", "GPL-3.0", 1)]


def test_the_table_has_a_row_a_figure_and_a_column_a_system() -> None:
    assert table({"ours": CARD, "theirs": CARD}).splitlines() == [
        "| set | figure | ours | theirs |",
        "| --- | --- | --- | --- |",
        "| test (9 clips, 20 queries) | R@1 | 0.250 [0.100, 0.400] | 0.250 [0.100, 0.400] |",
        "| test (9 clips, 20 queries) | medR | 3.5 | 3.5 |",
        "| named (4 clips, 2 classes) | accuracy | 0.500 [0.200, 0.800] | 0.500 [0.200, 0.800] |",
    ]


def test_a_cell_is_empty_where_a_system_was_not_scored() -> None:
    lines = table({"ours": CARD, "theirs": {"test": CARD["test"]}}).splitlines()
    assert lines[2].endswith("| 0.250 [0.100, 0.400] | 0.250 [0.100, 0.400] |")
    assert lines[4].endswith("| accuracy | 0.500 [0.200, 0.800] |  |")


@pytest.fixture
def written(recipe_document: dict[str, Any], words_run: Path) -> Callable[[list[Clip]], str]:
    """Return written(clips) → the card of a model trained on them."""
    recipe = Recipe.model_validate(recipe_document)

    def make(clips: list[Clip]) -> str:
        return model_card(
            recipe,
            "tiny",
            clips,
            CARD,
            steps=60_000,
            hours=1.5,
            parameters={"sound": 2_500_000, "text": 1_250_000},
            words=load_words(words_run).recipe,
        )

    return make


def test_the_card_says_what_it_must(written: Callable[[list[Clip]], str]) -> None:
    text = written(CLIPS)
    assert text.startswith("# tiny\n")
    for part in (
        "sound 2.50 M, text 1.25 M",
        "recipe `test/tiny`, seed 3: 60000 steps of\n6 windows, 0.4 million patches",
        "1.50 hours; text by the recipe `test/words`, seed 5, 100 steps",
        "captions.csv (AudioCaps captions, MIT)",
        "| games | 1 | GPL-3.0 |",
        table({"tiny": CARD}),
        attributions(CLIPS),
    ):
        assert part in text


def test_the_card_tells_hours_with_and_without_captions(
    written: Callable[[list[Clip]], str],
) -> None:
    captioned = [replace(clip, captions=("a sound",)) for clip in CLIPS]
    alone = written(captioned)
    assert "\n4 clips with captions, 2.0 hours; all under" in alone
    assert "without captions" not in alone
    both = written([*captioned[:3], CLIPS[3]])
    assert "\n3 clips with captions, 1.5 hours, and without captions" in both
    assert "1 clips, 0.5 hours; all under" in both
