from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.captioning.tiny import tiny
from soundseek.lab.recipe_files import recipe_names
from soundseek.lab.systems import load_recipe

pytestmark = pytest.mark.lab

RECIPES: dict[str, Any] = {
    name: recipe
    for name in recipe_names()
    if isinstance(recipe := load_recipe(name), CaptioningRecipe)
}


def test_there_are_ten_of_them() -> None:
    assert len(RECIPES) == 10


@pytest.mark.parametrize("name", RECIPES)
def test_a_tiny_recipe_keeps_what_makes_the_recipe(name: str, tmp_path: Path) -> None:
    recipe, made = RECIPES[name], tiny(RECIPES[name], tmp_path)
    assert made.name == f"{name} (tiny)"
    assert made.audio.encoder == recipe.audio.encoder
    assert made.audio.frozen == recipe.audio.frozen
    assert made.audio.noise == recipe.audio.noise
    assert (made.audio.events is None) == (recipe.audio.events is None)
    assert made.adapter == recipe.adapter
    assert made.network.encoder == recipe.network.encoder
    assert made.network.hidden == recipe.network.hidden
    assert made.objective == recipe.objective
    assert made.optimiser.schedule == recipe.optimiser.schedule
    assert made.optimiser.accumulate == recipe.optimiser.accumulate
    assert made.decoding.method == recipe.decoding.method
    assert made.decoding.search == recipe.decoding.search
    assert made.decoding.force_bos == recipe.decoding.force_bos
    assert made.published == recipe.published
    assert (made.texts is None) == (recipe.texts is None)
    if made.texts is not None:
        assert made.texts.noise == recipe.texts.noise


@pytest.mark.parametrize("name", RECIPES)
def test_a_tiny_recipe_needs_nothing_from_elsewhere(name: str, tmp_path: Path) -> None:
    made = tiny(RECIPES[name], tmp_path)
    assert made.audio.checkpoint is None
    assert not any(value for key, value in made.audio.options.items() if "checkpoint" in key)
    assert made.network.model is None
    assert made.text.tokenizer is None
    assert made.decoding.words is None
    assert {source.root for source in made.data.train} == {str(tmp_path)}
    assert made.optimiser.max_steps == 2
    assert made.run.device == "cpu"
    if made.audio.events is not None:
        assert made.audio.events.checkpoint is None
    if made.texts is not None:
        assert all((Path(made.data.folder) / file).is_file() for file in made.texts.files)
