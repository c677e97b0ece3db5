"""The shipped captioning recipes say what the report says."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.published_weights import WEIGHTS
from soundseek.lab.recipe_files import (
    RECIPES,
    difference_over,
    find_recipe,
    read_recipe_file,
    recipe_names,
    validated,
)

pytestmark = pytest.mark.lab

BASE = "cmu2022/captioning_baseline"
COLUMNS = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l", "cider", "spice", "spider"]
# By hand from the report: the table, after how many epochs (None: all 20), the row.
PUBLISHED: dict[str, tuple[int, int | None, list[float]] | None] = {
    "captioning_baseline": (2, 3, [0.506, 0.331, 0.219, 0.135, 0.140, 0.346, 0.237, 0.093, 0.165]),
    "captioning_pretrained": None,
    "captioning_crnn": (4, 1, [0.318, 0.142, 0.065, 0.022, 0.100, 0.253, 0.031, 0.035, 0.033]),
    "captioning_mean": (5, 2, [0.486, 0.315, 0.211, 0.127, 0.134, 0.341, 0.198, 0.088, 0.143]),
    "captioning_last_two": (6, 3, [0.508, 0.333, 0.221, 0.136, 0.143, 0.349, 0.244, 0.094, 0.169]),
    "captioning_adapter": (7, 3, [0.509, 0.336, 0.225, 0.139, 0.141, 0.348, 0.248, 0.093, 0.171]),
    "captioning_seven": (8, 3, [0.507, 0.337, 0.226, 0.141, 0.141, 0.351, 0.248, 0.091, 0.170]),
    "captioning_final": (9, None, [0.553, 0.357, 0.236, 0.147, 0.159, 0.361, 0.321, 0.104, 0.213]),
    "captioning_events": None,
}
CHANGES: dict[str, dict[str, Any]] = {
    "captioning_pretrained": {
        "network": {"weights": "pretrained", "model": "facebook/bart-base"},
    },
    "captioning_mean": {"network": {"hidden": "mean"}},
    "captioning_last_two": {"network": {"hidden": "mean_last_two"}},
    "captioning_adapter": {"adapter": {"layers": 2}},
    "captioning_seven": {"network": {"encoder_layers": 7, "decoder_layers": 7}},
    "captioning_final": {
        "adapter": {"layers": 2},
        "network": {"encoder_layers": 7, "decoder_layers": 7, "hidden": "mean_last_two"},
    },
}


def recipe(name: str) -> CaptioningRecipe:
    path = find_recipe(f"cmu2022/{name}")
    return validated(CaptioningRecipe, read_recipe_file(path), name)


def test_all_are_here() -> None:
    shipped = {name for name in recipe_names() if name.startswith("cmu2022/captioning_")}
    assert shipped == {f"cmu2022/{name}" for name in PUBLISHED}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_has_the_figures_of_its_table(name: str) -> None:
    made, expected = recipe(name), PUBLISHED[name]
    text = (RECIPES / f"cmu2022/{name}.yaml").read_text(encoding="utf-8")
    assert made.name == f"cmu2022/{name}"
    if expected is None:
        assert made.published is None
        assert "none published" in text
        return
    table, epochs, row = expected
    assert made.published is not None
    assert made.published.source.endswith(f"table {table}")
    assert f"table {table} " in text
    assert made.published.epochs == epochs
    assert made.published.scores == dict(zip(COLUMNS, row, strict=True))
    # The report's last column is the mean of the two before it, as far as it is rounded.
    assert made.published.scores["spider"] == pytest.approx((row[6] + row[7]) / 2, abs=0.0011)
    said = re.split(r"\n(?!#  )", text.partition("# Scores:")[2])[0]
    assert [float(found) for found in re.findall(r"0\.\d+", said)] == row


@pytest.mark.parametrize("name", CHANGES)
def test_a_recipe_changes_one_thing(name: str) -> None:
    difference = difference_over(f"cmu2022/{name}", BASE)
    assert difference is not None
    named = {"name", "description", "published"}
    assert {key: value for key, value in difference.items() if key not in named} == CHANGES[name]


def test_the_baseline_is_the_challenges() -> None:
    made = recipe("captioning_baseline")
    assert (made.audio.encoder, made.audio.frozen) == ("vggish", True)
    assert made.audio.options == {"last_relu": False, "short": "pad"}
    assert made.adapter.layers == 1
    assert (made.network.width, made.network.heads, made.network.ffn) == (768, 12, 3072)
    assert made.objective.pads_in_loss
    assert made.decoding.force_bos
    assert (made.text.tokenizer, made.text.max_tokens) == ("facebook/bart-base", 64)
    optimiser = made.optimiser
    assert (optimiser.kind, optimiser.learning_rate, optimiser.epochs) == ("adamw", 1e-5, 20)
    assert (optimiser.batch, optimiser.accumulate, optimiser.clip_norm) == (8, 2, 1.0)
    assert optimiser.schedule.kind == "linear"


def test_the_crnn_learns_over_frozen_vggish() -> None:
    made = recipe("captioning_crnn")
    assert (made.audio.encoder, made.audio.frozen) == ("vggish_crnn", False)
    assert made.audio.checkpoint is None
    assert made.network.encoder == "none"


def test_events_are_those_of_the_report() -> None:
    events = recipe("captioning_events").audio.events
    assert events is not None
    assert (events.tagger, events.form) == ("panns_cnn14_decision_level_max", "classes")
    assert WEIGHTS[str(events.checkpoint)].encoder == events.tagger


def test_every_checkpoint_is_a_published_one_of_its_encoder() -> None:
    for name in PUBLISHED:
        audio = recipe(name).audio
        inner = audio.options.get("vggish_checkpoint")
        assert (audio.checkpoint is None) == (audio.weights == "random") == (inner is not None)
        assert WEIGHTS[audio.checkpoint or inner].encoder == "vggish"


def test_the_captioner_that_ships_is_scored_as_its_users_search() -> None:
    path = find_recipe("soundseek/captions")
    made = validated(CaptioningRecipe, read_recipe_file(path), "soundseek/captions")
    assert made.decoding.search == "runtime"
    assert made.decoding.method == "beam"
    assert (made.audio.encoder, made.audio.frozen) == ("bundle", True)
    assert all(source.tiers == ("free",) for source in made.data.train)


def test_nobody_trains_on_what_is_tested_with() -> None:
    for name in PUBLISHED:
        data = recipe(name).data
        parts = [[(one.corpus, one.split) for one in part] for part in (data.train, data.test)]
        assert parts == [[("clotho", "train")], [("clotho", "test")]]
        assert [one.split for one in data.validation] == ["validation"]
