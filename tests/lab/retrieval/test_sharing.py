from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.recipe_files import merged
from soundseek.lab.retrieval.sharing import (
    HANDED,
    common_stages,
    giver,
    hand_over,
    handed_over,
)
from soundseek.lab.retrieval.train import train
from support.retrieval import Document, silent

pytestmark = pytest.mark.lab

RecipeOf = Callable[..., Any]
PRETRAINED = {"encoder": "bert", "weights": "pretrained", "model": "bert-base-uncased"}


@pytest.fixture
def staged(document: Document) -> Document:
    """Two stages of few steps, as a pretraining and a fine-tuning."""
    stages = [
        {"stage": "pretrain", "data": {"folds": None}, "optimiser": {"max_steps": 3}},
        {"stage": "fine", "optimiser": {"max_steps": 2, "learning_rate": 0.001}},
    ]
    return document | {"stages": stages}


def fold(number: int) -> Document:
    return {"data": {"folds": 2, "fold": number}}


def test_folds_of_one_fine_tuning_share_their_pretraining(
    staged: Document, recipe_of: RecipeOf
) -> None:
    text = dict.fromkeys(staged["text"]) | PRETRAINED | {"options": {}, "max_tokens": 12}
    text = {key: value for key, value in text.items() if value is not None}
    base = staged | {"text": text}
    one, other = (recipe_of(base, **fold(number)) for number in (0, 1))
    assert common_stages(one, other) == ["pretrain"]
    assert common_stages(one, recipe_of(base)) == ["pretrain"]


def test_a_vocabulary_made_of_captions_depends_on_the_fold(
    staged: Document, recipe_of: RecipeOf
) -> None:
    one, other = (recipe_of(staged, **fold(number)) for number in (0, 1))
    assert common_stages(one, other) == []


@pytest.mark.parametrize(
    ("difference", "common"),
    [
        ({"name": "other", "run": {"log_steps": 7, "cache": "elsewhere"}}, ["pretrain"]),
        ({"seed": 4}, []),
        ({"audio": {"max_s": 1.0}}, []),
        ({"objective": [{"term": "triplet_sum"}]}, []),
        ({"run": {"precision": "bf16"}}, []),
        ({"augment": {"audio": {"p_mixstyle": 0.5}}}, []),
    ],
)
def test_what_decides_whether_a_stage_is_the_same(
    staged: Document, recipe_of: RecipeOf, difference: Document, common: list[str]
) -> None:
    assert common_stages(recipe_of(staged), recipe_of(staged, **difference)) == common


def test_only_what_comes_first_is_common(staged: Document, recipe_of: RecipeOf) -> None:
    first, last = staged["stages"]
    middle = {"stage": "middle", "optimiser": {"max_steps": 1}}
    three = staged | {"stages": [first, middle, last]}
    other_last = staged | {"stages": [first, middle, last | {"optimiser": {"epochs": 9}}]}
    assert common_stages(recipe_of(three), recipe_of(other_last)) == ["pretrain", "middle"]
    assert common_stages(recipe_of(three), recipe_of(staged)) == ["pretrain"]
    renamed = staged | {"stages": [first | {"stage": "begin"}, last]}
    assert common_stages(recipe_of(staged), recipe_of(renamed)) == []
    assert common_stages(recipe_of(staged | {"stages": []}), recipe_of(staged)) == []


def test_the_giver_is_the_first_of_those_with_most_in_common(
    staged: Document, recipe_of: RecipeOf
) -> None:
    recipes = {
        "a": recipe_of(staged, seed=9),
        "b": recipe_of(staged),
        "c": recipe_of(staged, name="c"),
        "d": recipe_of(staged, name="d"),
    }
    assert giver(recipes, "a") is None
    assert giver(recipes, "b") is None
    assert giver(recipes, "d") == ("b", ["pretrain"])


def test_what_is_handed_over(staged: Document, recipe_of: RecipeOf, tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    assert not hand_over(source, target, ["pretrain"])
    train(recipe_of(staged), source, silent)
    assert not hand_over(source, target, [])
    assert not hand_over(source, target, ["pretrain", "another"])
    assert not target.exists()
    assert handed_over(target) is None
    assert hand_over(source, target, ["pretrain"])
    found = handed_over(target)
    assert found is not None
    assert (found.stage, found.before) == ("pretrain", 3)
    kept = torch.load(source / "stage-pretrain.pt", weights_only=True)
    for name, values in kept["model"].items():
        assert torch.equal(found.kept["model"][name], values)
    # Once is enough, and a run that has begun is left alone.
    assert not hand_over(source, target, ["pretrain"])
    assert not hand_over(target, source, ["pretrain"])
    assert handed_over(source) is None
    assert json.loads((target / HANDED).read_text(encoding="utf-8"))["from"] == str(source)
    (target / "stage-pretrain.pt").unlink()
    with pytest.raises(DataError, match=r"stage-pretrain.pt, which is missing\n.*remove"):
        handed_over(target)


def test_a_run_that_was_handed_its_first_stage_ends_as_one_that_trained_it(
    staged: Document, recipe_of: RecipeOf, tmp_path: Path
) -> None:
    other = merged(staged, {"name": "other"})
    other["stages"][1] = {"stage": "fine", "optimiser": {"max_steps": 4}}
    one, two = recipe_of(staged), recipe_of(other)
    train(one, tmp_path / "one", silent)
    alone = torch.load(train(two, tmp_path / "alone", silent), weights_only=True)
    stages = common_stages(one, two)
    assert stages == ["pretrain"]
    assert hand_over(tmp_path / "one", tmp_path / "handed", stages)
    told: list[str] = []
    handed = torch.load(train(two, tmp_path / "handed", told.append), weights_only=True)
    assert not [line for line in told if line.startswith("pretrain step")]
    for name, values in alone["model"].items():
        assert torch.equal(handed["model"][name], values), name
    scores = [(tmp_path / run / "scores.json").read_text() for run in ("alone", "handed")]
    assert scores[0] == scores[1]
