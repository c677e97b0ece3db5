"""Reading a trained run of the embedded model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from soundseek.errors import DataError
from soundseek.lab.distilled.build import build_tower
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.distilled.tower import AudioTower
from soundseek.lab.recipe_files import validated
from soundseek.lab.run_folder import RunFolder


def load_trained(folder: Path) -> tuple[Recipe, AudioTower, dict[str, Any]]:
    """The recipe, the averaged audio tower as it is used (eval mode) and the checkpoint of a run.

    Raises `DataError` when the folder holds no checkpoint, `RecipeError` for a run of the first
    edition, whose recipe had a text tower in it.
    """
    run = RunFolder(folder)
    saved = run.saved()
    if saved is None:
        raise DataError(f"no run in {folder}", remedy="train first: soundseek train RECIPE")
    recipe = validated(Recipe, run.document(), str(folder))
    tower = build_tower(recipe, saved["anchors"])
    tower.load_state_dict(saved["average"])
    tower.head.scale_residual(recipe.audio.residual_in_use)
    return recipe, tower.eval(), saved
