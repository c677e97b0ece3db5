from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("torch")

from soundseek.errors import RecipeError
from soundseek.lab.recipe_files import merged
from soundseek.lab.systems import load_recipe
from support.retrieval import Document

pytestmark = pytest.mark.lab

RecipeOf = Callable[..., Any]


@pytest.fixture
def staged(document: Document) -> Document:
    stages = [
        {"stage": "pretrain", "audio": {"frozen": True}},
        {"stage": "tune", "optimiser": {"learning_rate": 0.0001}, "teachers": ["stage:pretrain"]},
        {"augment": {"audio": {"gain_db": 3.0}}},
    ]
    return merged(document, {"stages": stages})


def problems(recipe_of: RecipeOf, document: Document) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        recipe_of(document)
    return [line.removeprefix("  - ") for line in caught.value.message.splitlines()[1:]]


def test_a_recipe_without_stages_is_one(document: Document, recipe_of: RecipeOf) -> None:
    recipe = recipe_of(document)
    assert list(recipe.plain_stages()) == [("train", recipe)]


def test_stages_are_differences_to_the_recipe(staged: Document, recipe_of: RecipeOf) -> None:
    recipe = recipe_of(staged)
    stages = dict(recipe.plain_stages())
    assert list(stages) == ["pretrain", "tune", "stage-3"]
    assert [stage.audio.frozen for stage in stages.values()] == [True, False, False]
    rates = [stage.optimiser.learning_rate for stage in stages.values()]
    assert rates == [0.003, 0.0001, 0.003]
    assert [stage.augment.audio.gain_db for stage in stages.values()] == [0.0, 0.0, 3.0]
    assert stages["tune"].teachers == ("stage:pretrain",)
    for stage in stages.values():
        assert stage.stages == ()
        assert stage.data == recipe.data
        assert stage.optimiser.batch == 6


def test_overrides_reach_stages(staged: Document, tmp_path: Path) -> None:
    staged["audio"]["options"] = {"channels": [2, 4, 4, 8]}
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(staged), encoding="utf-8")
    recipe: Any = load_recipe(
        str(path), ["seed=9", "optimiser.batch=4", "optimiser.learning_rate=1e-2"]
    )
    stages = [stage for _, stage in recipe.plain_stages()]
    assert {stage.seed for stage in stages} == {9}
    assert {stage.optimiser.batch for stage in stages} == {4}
    # A stage's own difference stays.
    assert [stage.optimiser.learning_rate for stage in stages] == [0.01, 0.0001, 0.01]


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        ({"audio": {"projction": []}}, "audio.projction: unknown key; did you mean 'projection'?"),
        ({"data": {"train": [{"corpus": "clips", "spit": "a"}]}}, "data.train.0.spit: unknown key"),
        (
            {"objective": [{"term": "nt_xent", "wait": 1}]},
            "objective.0.wait: unknown key; did you mean 'we",
        ),
        (
            {"optimiser": {"schedule": {"kid": "step"}}},
            "optimiser.schedule.kid: unknown key; did you mean 'kind'?",
        ),
        (
            {"audio": {"events": {"tagger": "yamnet", "treshold": 0.1}}},
            "audio.events.treshold: unknown key; did you mean 'threshold'?",
        ),
        (
            {"augment": {"audio": {"gain_bd": 3}}},
            "augment.audio.gain_bd: unknown key; did you mean 'gain_db'? Known here: gain_db, ",
        ),
        (
            {"augment": {"text": {"p_edu": 0.3}}},
            "augment.text.p_edu: unknown key; did you mean 'p_eda'?",
        ),
        ({"augment": {"audoi": {}}}, "augment.audoi: unknown key; did you mean 'audio'?"),
        ({"published": {"source": "x", "scores": {"R@2": 0.1}}}, "published.scores.R@2"),
    ],
)
def test_an_unknown_key_names_the_nearest_of_its_section(
    document: Document, recipe_of: RecipeOf, difference: Document, said: str
) -> None:
    (line,) = problems(recipe_of, merged(document, difference))
    assert line.startswith(said)


def test_all_problems_are_told_at_once(document: Document, recipe_of: RecipeOf) -> None:
    """Those of the augmentation's own checks among them."""
    difference = {
        "seed": "x",
        "audio": {"max_s": -1, "weights": "some"},
        "augment": {"audio": {"gain_db": -3, "p_mixstyle": 2}, "text": {"p_eda": 7}},
        "optimiser": {"batch": 1, "epochs": None},
        "objective": [],
    }
    lines = problems(recipe_of, merged(document, difference))
    text = "\n".join(lines)
    for said in (
        "seed: Input should be a valid integer",
        "audio.max_s: ",
        "audio.weights: ",
        "augment.audio: audio augmentation:",
        "gain_db is -3.0, but it must be a number that is not below 0",
        "p_mixstyle is 2.0, but it must be a number between 0 and 1",
        "augment.text: text augmentation:",
        "p_eda is 7.0",
        "optimiser.batch: ",
        "optimiser.epochs: ",
        "objective: ",
    ):
        assert said in text, said


def test_problems_of_stages_are_told_under_their_stage(
    document: Document, recipe_of: RecipeOf
) -> None:
    stages = [
        {"stage": "a", "optimizer": {"epochs": 3}},
        {"stage": "b", "optimiser": {"epochs": 0}, "augment": {"audio": {"gain_db": -1}}},
        {"stage": "c", "audio": None},
    ]
    lines = problems(recipe_of, document | {"stages": stages})
    starts = [
        "stages.0.optimizer: unknown key; did you mean 'optimiser'?",
        "stages.1.augment.audio: ",
        "stages.1.optimiser.epochs: ",
        "stages.2.audio: ",
    ]
    for start in starts:
        assert any(line.startswith(start) for line in lines), start


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ([{"stage": "a"}, {"stage": "a"}], "two stages are called 'a'"),
        ([{}, {"stage": "stage-1"}], "two stages are called 'stage-1'"),
        ([{"stage": "a/b"}], "'a/b' cannot be"),
        ([{"stage": ""}], "'' cannot be"),
        ([{"stage": "a", "stages": []}], "a stage cannot have stages"),
        ([{"audio": {"encoder": "beats"}}], "a stage cannot change audio but for frozen, max_s"),
        ([{"text": {"model": "x"}}], "a stage cannot change text"),
        ([{"space": {"dimension": 3}}], "a stage cannot change space"),
        ([{"teachers": ["stage:b"]}, {"stage": "b"}], "stage:b is no stage before stage-1"),
        ([{"stage": "a", "teachers": ["stage:a"]}], "stage:a is no stage before a"),
    ],
)
def test_stages_that_cannot_be(
    document: Document, recipe_of: RecipeOf, stages: list[Document], said: str
) -> None:
    (line,) = problems(recipe_of, document | {"stages": stages})
    assert said in line
    assert "(got" not in line


def test_a_source_names_a_corpus_or_a_manifest(document: Document, recipe_of: RecipeOf) -> None:
    for source in ({}, {"corpus": "clips", "manifest": "a.parquet"}):
        (line,) = problems(recipe_of, merged(document, {"data": {"train": [source]}}))
        assert "data.train.0: name a corpus (with root) or a manifest" in line


def test_teachers_and_the_loss_of_validation_do_not_go_together(
    document: Document, recipe_of: RecipeOf
) -> None:
    difference = {
        "objective": [{"term": "estimated_correspondences"}],
        "optimiser": {"schedule": {"kind": "plateau", "monitor": "loss"}},
    }
    (line,) = problems(recipe_of, merged(document, difference))
    assert "set optimiser.schedule.monitor: mAP@10" in line


@pytest.mark.parametrize("seed", [-1, 2**32, "x"])
def test_seeds_that_cannot_be(document: Document, recipe_of: RecipeOf, seed: Any) -> None:
    (line,) = problems(recipe_of, document | {"seed": seed})
    assert line.startswith("seed: ")


def test_unknown_names_are_told_when_the_recipe_is_read() -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(
            "surrey2022/cnn14_bert",
            ["audio.encoder=panns_cn14", "text.encoder=berd", "objective.0.term=nt_xnt"],
        )
    for nearest in ("'panns_cnn14'", "'bert'", "'nt_xent'"):
        assert f"did you mean {nearest}" in caught.value.message
