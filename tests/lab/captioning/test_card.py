from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.bundle.captioning.schema import (
    CaptionerManifest,
    CaptionText,
    DecodingDefaults,
    Hears,
)
from soundseek.bundle.manifests import Provenance
from soundseek.lab.captioning.card import model_card

pytestmark = pytest.mark.lab

NAME = "soundseek/captions"
SCORES = {
    "test": {
        "n": 9,
        "metrics": {
            "cider": {"value": 0.25, "ci95": [0.1, 0.4]},
            "vocabulary": {"value": 41.0, "ci95": None},
        },
    }
}


def manifest(scores: Any, beams: int = 4) -> CaptionerManifest:
    return CaptionerManifest(
        name="mine",
        description="for tests",
        created="2026-01-01T00:00:00+00:00",
        hears=Hears("some-bundle", "0" * 64, 8),
        most_windows=7,
        text=CaptionText(0, 2, 1, 20),
        decoding=DecodingDefaults(beams, 3, 20, 3, 1.0),
        provenance=Provenance("tests", (), scores, ""),
    )


def card(recipe: Any, clips: list[Any], scores: Any = SCORES, beams: int = 4) -> str:
    return model_card(recipe, manifest(scores, beams), clips, parameters=2_500_000)


def test_the_card_says_what_it_must(
    small: Callable[..., Any], make_clip: Callable[..., Any]
) -> None:
    clips = [
        make_clip("a", ["x", "y"], duration_s=1800.0, author="Ann\nLee", licence="CC BY 4.0"),
        make_clip("b", duration_s=1800.0, licence=""),
    ]
    text = card(small(NAME, seed=3), clips)
    assert text.startswith("# mine\n")
    for part in (
        "recipe `soundseek/captions (tiny)`, seed 3.",
        "vectors of `some-bundle`",
        "2.50 M, trained from random initialisation",
        "2 linear layers, 1 decoder layers of width 16; at most 7",
        "small letters, without punctuation; beam search with 4 beams, no 3 tokens twice",
        "texts.csv; in the place of a sound",
        "On the test clips of the recipe, n = 9, through the runtime:",
        "| cider | 0.2500 | [0.1000, 0.4000] |",
        "| vocabulary | 41 |  |",
        "2 clips with 3 captions, 1.0 hours.",
        "| test | 2 | ; CC BY 4.0 |",
        "## Attribution",
        "- test (1): Ann Lee — CC BY 4.0",
    ):
        assert part in text, part


def test_the_card_of_another_captioner(
    small: Callable[..., Any], make_clip: Callable[..., Any]
) -> None:
    recipe = small(
        NAME,
        texts=None,
        adapter={"layers": 1},
        network={
            "encoder": "bart",
            "weights": "pretrained",
            "model": "/home/me/bart-base",
            "encoder_layers": 6,
        },
        text={"tokenizer": "facebook/bart-base", "lowercase": False, "strip_punctuation": False},
    )
    text = card(recipe, [make_clip("a")], {}, beams=1)
    for part in (
        "from the weights of `bart-base` (its own terms apply)",
        "1 linear layer, 6 encoder and 1 decoder layers",
        "letters as in its captions, with punctuation; greedy",
        "**Captions without sounds**: none.",
        "None: there were no test clips",
    ):
        assert part in text, part
    assert "/home/me" not in text
    assert "Attribution" not in text
