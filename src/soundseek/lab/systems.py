"""The kinds of system that a recipe can describe, and what runs each of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from soundseek.errors import RecipeError
from soundseek.lab.choices import chosen
from soundseek.lab.recipe_files import (
    RecipeBase,
    find_recipe,
    read_recipe_file,
    recipe_names,
    validated,
)

Say = Callable[[str], None]


class System(NamedTuple):
    """Places (`module:name`) of a system's recipe class and of its training function, which takes
    (recipe, run folder, say) and returns the path of what it made."""

    recipe: str
    train: str


SYSTEMS: Final[Mapping[str, System]] = MappingProxyType(
    {
        "distilled": System(
            "soundseek.lab.distilled.recipe:Recipe", "soundseek.lab.distilled.train:train"
        ),
        "retrieval": System(
            "soundseek.lab.retrieval.recipe:RetrievalRecipe", "soundseek.lab.retrieval.train:train"
        ),
        "ensemble": System(
            "soundseek.lab.retrieval.ensemble:EnsembleRecipe",
            "soundseek.lab.retrieval.ensemble:train",
        ),
        "caption_match": System(
            "soundseek.lab.retrieval.caption_match:CaptionMatchRecipe",
            "soundseek.lab.retrieval.caption_match:train",
        ),
    }
)


def load_recipe(
    name_or_path: str, overrides: Sequence[str] = (), differences: Sequence[Path] = ()
) -> RecipeBase:
    """Load a shipped recipe by name or a YAML file by path, with `key.sub=value` overrides.

    `differences` are YAML files merged over it, in order, before the overrides. Raises
    `RecipeError` with every problem: its path, its value, the remedy.
    """
    path = find_recipe(name_or_path)
    return recipe_of(read_recipe_file(path, overrides, differences), str(path))


def recipe_of(document: Mapping[str, Any], where: str) -> RecipeBase:
    """The typed recipe of a mapping; `system` says which kind it is."""
    name = document.get("system")
    if name is None:
        raise RecipeError(f"{where} names no system", remedy=f"system: {' | '.join(SYSTEMS)}")
    kind: type[RecipeBase] = _placed(chosen(SYSTEMS, str(name), "system").recipe)
    return validated(kind, document, where)


def train(recipe: RecipeBase, run_folder: Path, say: Say = print) -> Path:
    """Train what the recipe describes, or resume it; returns the path of what was made."""
    system: str = recipe.system  # type: ignore[attr-defined]
    made: Path = _placed(SYSTEMS[system].train)(recipe, run_folder, say)
    return made


def small(recipe: RecipeBase, folder: Path) -> RecipeBase:
    """A recipe of the literature made small enough for a trial run on synthetic sounds.

    Raises `RecipeError` for a system that has no small form.
    """
    from soundseek.lab.retrieval.recipe import RetrievalRecipe
    from soundseek.lab.retrieval.tiny import tiny

    if not isinstance(recipe, RetrievalRecipe):
        raise RecipeError(
            f"{recipe.name} has no small form", remedy="shorten it by overrides instead of --smoke"
        )
    return tiny(recipe, folder)


def _placed(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


__all__ = ["SYSTEMS", "System", "load_recipe", "recipe_names", "recipe_of", "train"]
