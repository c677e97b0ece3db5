from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.errors import RecipeError
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.recipe_files import merged, validated

pytestmark = pytest.mark.lab

DOCUMENT: dict[str, Any] = {
    "system": "captioning",
    "name": "test/tiny",
    "description": "for tests",
    "data": {},
    "audio": {"encoder": "vggish"},
    "optimiser": {"learning_rate": 1e-5, "epochs": 2},
}


def recipe(**changes: Any) -> CaptioningRecipe:
    return validated(CaptioningRecipe, merged(DOCUMENT, changes), "here")


def test_the_defaults_are_the_baselines() -> None:
    made = recipe()
    network, decoding = made.network, made.decoding
    assert (network.encoder_layers, network.decoder_layers, network.width) == (6, 6, 768)
    assert (network.heads, network.ffn, network.dropout) == (12, 3072, 0.1)
    assert (decoding.method, decoding.beams, decoding.no_repeat_ngram) == ("beam", 4, 3)
    assert (decoding.min_tokens, decoding.max_tokens) == (5, 100)
    assert made.audio.frozen
    assert not made.objective.pads_in_loss


def test_what_is_written_is_read_again() -> None:
    made = recipe(
        published={"source": "a report", "epochs": 3, "scores": {"spider": 0.2, "cider": None}}
    )
    assert made.published is not None
    assert made.published.scores == {"spider": 0.2}
    assert validated(CaptioningRecipe, made.model_dump(), "again") == made


def test_all_that_does_not_fit_together_is_told_at_once() -> None:
    with pytest.raises(RecipeError) as raised:
        recipe(
            adapter={"hidden": 8},
            network={"heads": 7, "encoder": "none", "hidden": "mean", "weights": "pretrained"},
            text={"tokenizer": None, "max_tokens": 2000},
            decoding={"min_tokens": 9, "max_tokens": 9},
        )
    lines = str(raised.value).splitlines()[1:]
    places = [line.removeprefix("  - ").partition(":")[0] for line in lines]
    assert sorted(places) == [
        "adapter.hidden",
        "decoding.min_tokens",
        "network.heads",
        "network.hidden",
        "network.model",
        "text.max_tokens",
        "text.tokenizer",
    ]
    assert "got 7" in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"network": {"model": "facebook/bart-base"}}, "network.model: random weights"),
        ({"network": {"hidden": "mean_last_two", "encoder_layers": 1}}, "network.hidden"),
        ({"decoding": {"max_tokens": 2000}}, "decoding.max_tokens: the network has 1024"),
        ({"audio": {"encoder": "bundle", "window_s": 2.0}}, "audio.window_s: a bundle has windows"),
        (
            {"audio": {"encoder": "bundle", "frozen": False}},
            "audio.frozen: a bundle does not learn",
        ),
        ({"decoding": {"search": "fast"}}, "decoding.search"),
        ({"audio": {"encoder": "vgish"}}, "did you mean 'vggish'"),
        ({"decoding": {"beam": 2}}, "did you mean 'beams'"),
        ({"published": {"source": "a", "scores": {"R@1": 0.1}}}, "published.scores"),
    ],
)
def test_a_problem_says_where_and_what(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(RecipeError) as raised:
        recipe(**changes)
    assert told in str(raised.value)
