from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from soundseek.errors import DataError
from soundseek.lab.caption_matching.generated import generated_for, read_generated
from soundseek.lab.captioning import scoring
from soundseek.lab.captioning.build import build_model
from soundseek.lab.captioning.decoding import write_captions
from soundseek.lab.captioning.scoring import captions_of, score_run, scored, write_captions_file
from support.captioners import CAPTIONS
from support.retrieval import silent
from support.tiny_models import scattered

pytestmark = pytest.mark.lab

NAME = "soundseek/captions"
Made = tuple[Any, Any]


@pytest.fixture
def made(small: Callable[..., Any]) -> Made:
    """A recipe, and its model with random weights that write something."""
    recipe = small(NAME)
    model = build_model(recipe, CAPTIONS)
    scattered(model.captioner)
    return recipe, model


def test_a_clip_is_captioned_as_it_would_be_alone(
    made: Made, heard_part: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of the clips; those that stand for texts are no clips."""
    recipe, model = made
    part = heard_part([3, 1, 5, 2, 4, 1, 1], width=model.captioner.width, texts=2)
    monkeypatch.setattr(scoring, "_AT_ONCE", 2)
    described = captions_of(model, part, recipe.decoding, silent)
    assert [one.clip.id for one in described] == [f"c{i}" for i in range(5)]
    for place, one in enumerate(described):
        steps, mask = part.steps([place])
        (alone,) = write_captions(model.captioner, steps, mask, recipe.decoding)
        assert one.written.ids == alone.ids
    assert len({one.written.ids for one in described}) > 1


def test_a_nucleus_draws_by_the_place_of_the_clip(
    made: Made, heard_part: Callable[..., Any]
) -> None:
    recipe, model = made
    decoding = recipe.decoding.model_copy(update={"method": "nucleus", "search": "baseline"})
    part = heard_part([3, 3, 3, 3], width=model.captioner.width)
    part.heard.steps[:] = part.heard.steps[:3].repeat(4, axis=0).reshape(part.heard.steps.shape)
    part.heard.starts[:] = 0
    described = captions_of(model, part, decoding, silent)
    assert len({one.written.ids for one in described}) == 4
    assert captions_of(model, part, decoding, silent) == described


def test_clips_that_turn_out_to_be_unreadable_are_left_out(
    small: Callable[..., Any], heard_part: Callable[..., Any]
) -> None:
    recipe = small("cmu2022/captioning_crnn")
    model = build_model(recipe, CAPTIONS)
    part = heard_part([3, 1, 5])
    sounds = replace(part.sounds, least=model.audio.least_samples)
    part = replace(part, heard=None, sounds=sounds)
    part.sounds.store.failures["c1"] = "no sound"
    said: list[str] = []
    described = captions_of(model, part, recipe.decoding, said.append)
    assert [one.clip.id for one in described] == ["c0", "c2"]
    assert "left out c1: no sound" in said


def test_captions_are_written_as_their_readers_read_them(
    tmp_path: Path, make_clip: Callable[..., Any]
) -> None:
    clips = [make_clip("a", ["rain, and wind", "rain"]), make_clip("b", ["a dog"]), make_clip("c")]
    path = tmp_path / "captions.csv"
    write_captions_file(path, clips, ["rain falls, wind", "", 'a "dog"'])
    with path.open(newline="", encoding="utf-8") as file:
        table = list(csv.reader(file))
    assert table == [
        ["id", "prediction", "reference_1", "reference_2"],
        ["a", "rain falls, wind", "rain, and wind", "rain"],
        ["b", "", "a dog", ""],
        ["c", 'a "dog"', "a sound", ""],
    ]
    read = read_generated(tmp_path)
    assert read == {"a": ["rain falls, wind"], "b": [""], "c": ['a "dog"']}
    assert generated_for(clips, read, "here").silent == 1
    assert not list(tmp_path.glob("*.partial"))


def test_a_run_is_scored_with_its_published_figures(
    small: Callable[..., Any],
    heard_part: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scoring, "tell_report", lambda folder, say: None)
    recipe = small("cmu2022/captioning_final")
    model = build_model(recipe, CAPTIONS)
    part = heard_part([3, 1, 5], width=model.captioner.width)
    said: list[str] = []
    score_run(tmp_path, recipe, model, part, said.append)
    scores = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert scores["recipe"] == recipe.name
    assert scores["seed"] == recipe.seed
    assert scores["published"]["scores"]["spider"] == 0.213
    assert len(scores["metrics"]["rouge_l"]["ci95"]) == 2
    assert scores["metrics"]["vocabulary"]["ci95"] is None
    assert "meteor" in scores["missing"]
    assert any(line.startswith("without meteor: needs Java") for line in said)
    assert any(line.startswith("test (3 clips)  bleu_1 ") for line in said)


def test_figures_are_those_of_the_captions(make_clip: Callable[..., Any]) -> None:
    clips = [make_clip("a", ["rain falls on a roof"]), make_clip("b", ["a dog barks loudly"])]
    right = scored(clips, ["rain falls on a roof", "a dog barks loudly"])
    wrong = scored(clips, ["a dog barks loudly", "rain falls on a roof"])
    assert right.metrics["bleu_4"].value == pytest.approx(1.0, abs=1e-6)
    assert wrong.metrics["bleu_4"].value < 0.1
    with pytest.raises(DataError, match="no clip to score"):
        scored([], [])


def test_no_gradient_is_kept(made: Made, heard_part: Callable[..., Any]) -> None:
    recipe, model = made
    part = heard_part([3, 1], width=model.captioner.width)
    captions_of(model, part, recipe.decoding, silent)
    assert all(one.grad is None for one in model.parameters())
    assert torch.is_grad_enabled()
