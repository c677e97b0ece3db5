"""Every shipped recipe of the literature from end to end, and the captioner's: the real run's code,
tiny networks, synthetic sounds."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.captioning.tiny import tiny as tiny_captioner
from soundseek.lab.retrieval.caption_match import CaptionMatchRecipe
from soundseek.lab.retrieval.ensemble import EnsembleRecipe, members_of
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from soundseek.lab.retrieval.tiny import tiny, tiny_caption_match, tiny_ensemble
from soundseek.lab.systems import load_recipe, recipe_names, train

pytestmark = [pytest.mark.lab, pytest.mark.slow]

RECIPES = {name: load_recipe(name) for name in recipe_names()}
RETRIEVAL = [name for name, recipe in RECIPES.items() if isinstance(recipe, RetrievalRecipe)]
ENSEMBLES = [name for name, recipe in RECIPES.items() if isinstance(recipe, EnsembleRecipe)]
MATCHING = [name for name, recipe in RECIPES.items() if isinstance(recipe, CaptionMatchRecipe)]
CAPTIONING = [name for name, recipe in RECIPES.items() if isinstance(recipe, CaptioningRecipe)]
# One kind of clip has one test clip in the synthetic corpus.
KINDS = 8


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the synthetic corpus and its decoded sounds are, for all runs."""
    return tmp_path_factory.mktemp("synthetic")


def silent(line: str) -> None:
    pass


def scores(run: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    return document


def check_scores(run: Path, published: Any) -> None:
    found = scores(run)
    assert found["clips"] == KINDS
    assert found["n"] > KINDS
    assert set(found["metrics"]) >= {"R@1", "R@5", "R@10", "mAP@10"}
    assert 0.0 <= found["metrics"]["mAP@10"]["value"] <= 1.0
    # Eight clips are all among the first ten.
    assert found["metrics"]["R@10"]["value"] == 1.0
    assert (found["published"] or {}).get("scores") == (published and dict(published.scores))
    with (run / "predictions.csv").open(encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == found["n"] + 1


def check_terms(run: Path, recipe: RetrievalRecipe) -> None:
    """Every stage ran two steps, and logged the terms that are its own and no others."""
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    stages = dict(recipe.plain_stages())
    assert [row["stage"] for row in rows] == [name for name in stages for _ in range(2)]
    every = {term.term for stage in stages.values() for term in stage.objective}
    for row in rows:
        own = {term.term for term in stages[row["stage"]].objective}
        assert math.isfinite(float(row["loss"]))
        assert {term for term in every if math.isfinite(float(row[term]))} == own
    with (run / "validation.csv").open(encoding="utf-8") as file:
        assert {row["stage"] for row in csv.DictReader(file)} == set(stages)


def test_every_recipe_of_the_literature_is_here() -> None:
    tried = [*RETRIEVAL, *ENSEMBLES, *MATCHING, *CAPTIONING]
    assert {*RECIPES} - {*tried} == {"soundseek/mini", "soundseek/words"}
    assert len(ENSEMBLES) == 4
    assert len(CAPTIONING) == 10
    compared = {load_recipe(name).compare for name in MATCHING}  # type: ignore[attr-defined]
    assert compared == {"embedding", "bundle", "cider", "bm25"}
    assert len(MATCHING) == len(compared)


@pytest.mark.parametrize("name", RETRIEVAL)
def test_a_retrieval_recipe_trains_and_is_scored(
    name: str, synthetic: Path, tmp_path: Path
) -> None:
    recipe = RECIPES[name]
    assert isinstance(recipe, RetrievalRecipe)
    small = tiny(recipe, synthetic)
    kept = train(small, tmp_path / "run", silent)
    assert kept.is_file()
    check_terms(tmp_path / "run", recipe)
    check_scores(tmp_path / "run", recipe.published)


@pytest.mark.parametrize("name", ENSEMBLES)
def test_an_ensemble_trains_its_members_and_is_scored(
    name: str, synthetic: Path, tmp_path: Path
) -> None:
    recipe = RECIPES[name]
    assert isinstance(recipe, EnsembleRecipe)
    small = tiny_ensemble(recipe, synthetic)
    models = members_of(small)
    assert train(small, tmp_path, silent) == tmp_path / "scores.json"
    assert len(models) == 2
    for model in models:
        check_terms(tmp_path / model.name, model.recipe)
    check_scores(tmp_path, recipe.published)
    single = scores(tmp_path / models[0].name)
    assert scores(tmp_path)["n"] == single["n"]


@pytest.mark.parametrize("name", MATCHING)
def test_caption_matching_is_scored(name: str, synthetic: Path, tmp_path: Path) -> None:
    recipe = RECIPES[name]
    assert isinstance(recipe, CaptionMatchRecipe)
    train(tiny_caption_match(recipe, synthetic), tmp_path, silent)
    check_scores(tmp_path, recipe.published)


@pytest.mark.parametrize("name", CAPTIONING)
def test_a_captioning_recipe_trains_and_writes(
    name: str, synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from soundseek.metrics.captions import evaluation

    # Java programs take longer to start than the recipe to run.
    monkeypatch.setattr(evaluation, "find_java", lambda: None)
    recipe = RECIPES[name]
    assert isinstance(recipe, CaptioningRecipe)
    assert train(tiny_captioner(recipe, synthetic), tmp_path, silent).is_file()
    with (tmp_path / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["stage"] for row in rows] == ["train"] * 2
    assert all(float(row["loss"]) == float(row["cross_entropy"]) > 0 for row in rows)
    found = scores(tmp_path)
    assert found["clips"] == found["n"] == KINDS
    assert set(found["metrics"]) >= {"bleu_1", "rouge_l", "cider", "vocabulary"}
    published = recipe.published
    assert (found["published"] or {}).get("scores") == (published and dict(published.scores))
    with (tmp_path / "captions.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == KINDS


@pytest.mark.parametrize("name", RETRIEVAL)
def test_a_tiny_recipe_keeps_what_makes_the_recipe(name: str, synthetic: Path) -> None:
    recipe = RECIPES[name]
    assert isinstance(recipe, RetrievalRecipe)
    small = tiny(recipe, synthetic)
    assert [stage for stage, _ in small.plain_stages()] == [s for s, _ in recipe.plain_stages()]
    pairs = zip(small.plain_stages(), recipe.plain_stages(), strict=True)
    for (_, kept), (_, full) in pairs:
        assert kept.objective == full.objective
        assert kept.augment.audio == full.augment.audio
        assert kept.optimiser.schedule == full.optimiser.schedule
        assert kept.optimiser.learning_rate == full.optimiser.learning_rate
        assert kept.audio.encoder == full.audio.encoder
        assert kept.text.encoder == full.text.encoder
        assert (kept.audio.frozen, kept.text.frozen) == (full.audio.frozen, full.text.frozen)
        assert (kept.audio.window_s is None) == (full.audio.window_s is None)
        assert len(kept.teachers) == len(full.teachers)
        assert {kept.audio.weights, kept.text.weights} == {"random"}
