"""Recipes of the embedded model: typed, frozen, read from plain YAML, every problem at once."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from soundseek.errors import RecipeError

RECIPES = Path(__file__).parent.parent / "recipes"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSection(_Section):
    """`folder` holds clips.jsonl, text/ and weights/; `tiers` are those trained on."""

    folder: str
    tiers: tuple[str, ...] = ("free",)
    min_caption_quality: int = Field(default=1, ge=0, le=2)
    texts: tuple[str, ...] = ()
    joined_texts: int = Field(default=0, ge=0)
    short_texts: int = Field(default=0, ge=0)


class AudioSection(_Section):
    multiplier: float = Field(default=1.0, gt=0)
    width: int = Field(default=960, ge=8)
    head_hidden: int = Field(default=512, ge=8)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    window_patches: int = Field(default=3, ge=1)


class TextSection(_Section):
    vocabulary: int = Field(default=8192, ge=64)
    width: int = Field(default=256, ge=8)
    layers: int = Field(default=3, ge=1)
    heads: int = Field(default=4, ge=1)
    max_tokens: int = Field(default=48, ge=4)
    dropout: float = Field(default=0.1, ge=0, lt=1)


class AugmentSection(_Section):
    """See `soundseek.lab.augment.mixing.MixingRange`; `collage` is the share of windows filled
    with several clips for distillation alone."""

    mix_probability: float = Field(default=0.5, ge=0, le=1)
    balance_db: float = Field(default=10.0, ge=0)
    gain_db: float = Field(default=12.0, ge=0)
    speed: float = Field(default=1.0, ge=1)
    tilt_db: float = Field(default=0.0, ge=0)
    collage: float = Field(default=0.5, ge=0, le=1)


class ObjectiveSection(_Section):
    """Weights of the terms; 0 leaves one out."""

    nt_xent: float = Field(default=0.0, ge=0)
    teacher_embedding: float = Field(default=0.0, ge=0)
    teacher_scores: float = Field(default=0.0, ge=0)
    teacher_features: float = Field(default=0.0, ge=0)
    text_embedding: float = Field(default=0.0, ge=0)


class OptimiserSection(_Section):
    steps: int = Field(ge=1)
    warmup_steps: int = Field(default=200, ge=0)
    learning_rate: float = Field(gt=0)
    text_learning_rate: float = Field(gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    windows: int = Field(default=32, ge=2)
    texts: int = Field(default=64, ge=1)
    ema: float = Field(default=0.999, ge=0, lt=1)
    clip_norm: float = Field(default=5.0, gt=0)


class RunSection(_Section):
    checkpoint_steps: int = Field(default=500, ge=1)
    evaluate_steps: int = Field(default=1000, ge=1)
    log_steps: int = Field(default=50, ge=1)
    threads: int | None = Field(default=None, ge=1)


class Recipe(_Section):
    """Everything that decides a run, but for where its files go."""

    name: str
    description: str
    seed: int = 0
    data: DataSection
    audio: AudioSection = AudioSection()
    text: TextSection = TextSection()
    augment: AugmentSection = AugmentSection()
    objective: ObjectiveSection
    optimiser: OptimiserSection
    run: RunSection = RunSection()


def recipe_names() -> list[str]:
    """Names of the shipped recipes, such as `soundseek/mini`."""
    return sorted(
        path.relative_to(RECIPES).with_suffix("").as_posix() for path in RECIPES.rglob("*.yaml")
    )


def load_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> Recipe:
    """Load a shipped recipe by name or a YAML file by path, with `key.sub=value` overrides.

    Raises `RecipeError` with every problem: its path, its value, the remedy.
    """
    path = RECIPES / f"{name_or_path}.yaml"
    if not path.is_file():
        path = Path(name_or_path)
    if not path.is_file():
        near = difflib.get_close_matches(name_or_path, recipe_names(), n=1)
        raise RecipeError(
            f"no recipe {name_or_path!r}",
            remedy=(f"did you mean {near[0]!r}? " if near else "")
            + f"choices: {', '.join(recipe_names())}, or the path of a YAML file",
        )
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise RecipeError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise RecipeError(f"{path} must hold a mapping, not {type(document).__name__}")
    for override in overrides:
        _apply(document, override)
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        lines = [_problem(problem) for problem in error.errors()]
        raise RecipeError(f"{path}:" + "".join(f"\n  - {line}" for line in lines)) from error


def _apply(document: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator or not key:
        raise RecipeError(f"override {override!r}", remedy="write key.sub=value")
    *sections, last = key.split(".")
    for section in sections:
        inner = document.setdefault(section, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"override {override!r}: {section} is a value, not a section")
        document = inner
    try:
        document[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RecipeError(
            f"override {override!r}: {value!r} is not YAML",
            remedy="write lists as [a, b], and texts with special characters in quotes",
        ) from error


def _problem(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    line = f"{where}: {problem['msg']} (got {problem['input']!r})"
    if problem["type"] == "extra_forbidden":
        known = _keys_beside(problem["loc"])
        near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
        line = f"{where}: unknown key" + (f"; did you mean {near[0]!r}?" if near else "")
        line += f" Known here: {', '.join(known)}"
    return line


def _keys_beside(location: Sequence[int | str]) -> list[str]:
    model: type[BaseModel] = Recipe
    for part in location[:-1]:
        inner = model.model_fields[str(part)].annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
    return list(model.model_fields)
