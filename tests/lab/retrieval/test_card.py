from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.lab.retrieval.card import has_authors, model_card

pytestmark = pytest.mark.lab

Document = dict[str, Any]
SCORES = {
    "test": {
        "clips": 9,
        "queries": 20,
        "metrics": {"R@1": {"value": 0.25, "ci95": [0.1, 0.4]}},
    }
}


def card(recipe: Any, clips: list[Any]) -> str:
    parameters = {"sound": 2_500_000, "text": 1_250_000}
    return model_card(recipe, "mine", clips, SCORES, window_s=10.0, parameters=parameters)


def test_the_card_says_what_it_must(
    document: Document, recipe_of: Callable[..., Any], make_clip: Callable[..., Any]
) -> None:
    clips = [
        make_clip("a", duration_s=1800.0, author="Ann\nLee", licence="CC BY 4.0"),
        make_clip("b", duration_s=1800.0, licence=""),
    ]
    text = card(recipe_of(document), clips)
    assert text.startswith("# mine\n")
    for part in (
        "recipe `test/tiny`, seed 3.",
        "sound 2.50 M, text 1.25 M",
        "`panns_cnn10`, from random initialisation, trained further; windows of 10 s.",
        "`small_transformer`, from random initialisation, trained further; 12 tokens.",
        "- **Objective**: `nt_xent`.\n",
        "| test (9 clips, 20 queries) | R@1 | 0.250 [0.100, 0.400] |",
        "2 clips, 1.0 hours.",
        "| test | 2 | ; CC BY 4.0 |",
        "## Attribution",
        "- test (1): Ann Lee — CC BY 4.0",
    ):
        assert part in text
    assert "length 1" not in text


def test_what_it_was_made_from_and_of(
    document: Document, recipe_of: Callable[..., Any], make_clip: Callable[..., Any]
) -> None:
    text = card(
        recipe_of(
            document,
            audio={
                "weights": "pretrained",
                "checkpoint": "/home/me/Cnn10_mAP=0.380.pth",
                "frozen": True,
            },
            text={"encoder": "bert", "weights": "pretrained", "model": "google/bert"},
            space={"normalise": False},
            stages=[
                {"stage": "long", "teachers": ()},
                {"stage": "last", "teachers": ["stage:long"], "objective": [{"term": "nt_xent"}]},
            ],
        ),
        [make_clip("a")],
    )
    for part in (
        "seed 3, in the stages long, last.",
        "from the weights of `Cnn10_mAP=0.380.pth` (CC BY 4.0), not trained further",
        "from the weights of `google/bert` (its own terms apply), trained further",
        "**Teachers, in training only**: 1 retrieval systems",
        "brought to\nlength 1",
    ):
        assert part in text
    assert "/home/me" not in text
    assert "Attribution" not in text
    assert not has_authors([make_clip("a")])
