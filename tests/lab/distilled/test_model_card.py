from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.lab.credits import attributions, licences
from soundseek.lab.data.manifest import Clip
from soundseek.lab.distilled.model_card import model_card
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.scorecard import table

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


def test_the_card_says_what_it_must(recipe_document: dict[str, Any]) -> None:
    recipe = Recipe.model_validate(recipe_document)
    parameters = {"sound": 2_500_000, "text": 1_250_000}
    text = model_card(recipe, "tiny", CLIPS, CARD, steps=600, hours=1.5, parameters=parameters)
    assert text.startswith("# tiny\n")
    for part in (
        "sound 2.50 M, text 1.25 M",
        "recipe `test/tiny`, seed 3, in 600 steps\n(1.5 hours)",
        "4 clips, 2.0 hours",
        "| games | 1 | GPL-3.0 |",
        table({"tiny": CARD}),
        attributions(CLIPS),
    ):
        assert part in text
