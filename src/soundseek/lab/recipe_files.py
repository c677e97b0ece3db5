"""Recipe files: plain YAML, typed and frozen once read, every problem reported at once.

A recipe may be another one and a difference: `extends: NAME` merges its keys over those of the
recipe named (mappings key by key, everything else as a whole).
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from soundseek.errors import RecipeError
from soundseek.lab.choices import chosen
from soundseek.lab.shipped import read_mapping, shipped, shipped_names

RECIPES = Path(__file__).parent.parent / "recipes"
_EXTENDS = "extends"


class Section(BaseModel):
    """Part of a recipe: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RecipeBase(Section):
    """What every recipe says, whatever system it is of."""

    name: str
    description: str
    seed: int = Field(default=0, ge=0, lt=2**32)


def _told(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(value)
    except RecipeError as error:
        raise ValueError(str(error)) from error


SETTINGS: Final = WrapValidator(_told)
"""For fields of settings that check themselves: what they refuse is one problem among others."""


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {name: one for name, one in value.items() if one is not None}


WITHOUT_NULLS: Final = BeforeValidator(_without_nulls)
"""For mappings of which a recipe takes a key away by null, where it extends another."""


def name_in(table: Mapping[str, object], what: str) -> AfterValidator:
    """A string that must be a name in one of the lab's tables; `what` the table holds."""

    def check(name: str) -> str:
        try:
            chosen(table, name, what)
        except RecipeError as error:
            raise ValueError(str(error)) from error
        return name

    return AfterValidator(check)


_Recipe = TypeVar("_Recipe", bound=BaseModel)


def recipe_names() -> list[str]:
    """Names of the shipped recipes, such as `soundseek/mini`."""
    return shipped_names(RECIPES)


def find_recipe(name_or_path: str) -> Path:
    """The file of a shipped recipe, or of a path. Raises `RecipeError` with the nearest name."""
    return shipped(RECIPES, name_or_path, "recipe")


def read_recipe_file(
    path: Path, overrides: Sequence[str] = (), differences: Sequence[Path] = ()
) -> dict[str, Any]:
    """The mapping that a recipe file stands for: what it extends, itself, further files of
    differences, and `key.sub=value` overrides.

    Raises `RecipeError` for broken YAML and for recipes that extend each other.
    """
    document = _extended(path, ())
    for difference in differences:
        document = merged(document, read_mapping(difference))
    for override in overrides:
        _apply(document, override)
    return document


def merged(base: Mapping[str, Any], difference: Mapping[str, Any]) -> dict[str, Any]:
    """`difference` over `base`: mappings are merged key by key, everything else is replaced.

    Where a difference names another encoder, the options of the one before go with it.
    """
    result = dict(base)
    if "encoder" in difference and difference["encoder"] != base.get("encoder"):
        result.pop("options", None)
    for key, value in difference.items():
        below = result.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[key] = merged(below, value) if both else value  # type: ignore[arg-type]
    return result


def with_values(document: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the mapping with `values` at their dotted keys, as overrides set them."""
    changed = copy.deepcopy(dict(document))
    for key, value in values.items():
        _set(changed, key, value, key)
    return changed


def difference_between(base: Mapping[str, Any], full: Mapping[str, Any]) -> dict[str, Any]:
    """What must be merged over `base` for `full`, which lacks no key of `base`, but for the options
    of another encoder."""
    if full.get("encoder") != base.get("encoder"):
        base = {key: value for key, value in base.items() if key != "options"}
    difference = {}
    for key, value in full.items():
        if key not in base:
            difference[key] = value
        elif isinstance(base[key], Mapping) and isinstance(value, Mapping):
            if inner := difference_between(base[key], value):
                difference[key] = inner
        elif base[key] != value or type(base[key]) is not type(value):
            difference[key] = value
    return difference


def difference_over(name_or_path: str, base: str) -> dict[str, Any] | None:
    """What a recipe changes of the recipe `base` that it extends, at once or through others.

    None if it does not extend it. A recipe changes nothing of itself.
    """
    path, goal = find_recipe(name_or_path).resolve(), find_recipe(base).resolve()
    difference: dict[str, Any] = {}
    seen: tuple[Path, ...] = ()
    while path != goal:
        document = read_mapping(path)
        parent = document.pop(_EXTENDS, None)
        if parent is None:
            return None
        difference = merged(document, difference)
        path, seen = _unseen(find_recipe(str(parent)).resolve(), (*seen, path)), (*seen, path)
    return difference


def validated(kind: type[_Recipe], document: Mapping[str, Any], where: str) -> _Recipe:
    """The typed recipe, or `RecipeError` with every problem: its path, its value, the remedy."""
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        lines = [_problem(kind, problem) for problem in error.errors()]
        raise RecipeError(f"{where}:" + "".join(f"\n  - {line}" for line in lines)) from error


def _extended(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    path = _unseen(path.resolve(), seen)
    document = read_mapping(path)
    base = document.pop(_EXTENDS, None)
    if base is None:
        return document
    return merged(_extended(find_recipe(str(base)), (*seen, path)), document)


def _unseen(path: Path, seen: tuple[Path, ...]) -> Path:
    if path in seen:
        chain = " → ".join(one.stem for one in (*seen, path))
        raise RecipeError(f"recipes extend each other: {chain}")
    return path


def _apply(document: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator or not key:
        raise RecipeError(f"override {override!r}", remedy="write key.sub=value")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RecipeError(
            f"override {override!r}: {value!r} is not YAML",
            remedy="write lists as [a, b], and texts with special characters in quotes",
        ) from error
    _set(document, key, parsed, f"override {override!r}")


def _set(document: dict[str, Any], key: str, value: Any, what: str) -> None:
    *sections, last = key.split(".")
    within: Any = document
    for section in sections:
        if isinstance(within, dict):
            inner = within.setdefault(section, {})
        else:
            inner = within[_place(within, section, what)]
        if not isinstance(inner, dict | list):
            raise RecipeError(f"{what}: {section} is a value, not a section")
        within = inner
    within[last if isinstance(within, dict) else _place(within, last, what)] = value


def _place(items: list[Any], name: str, what: str) -> int:
    """A place in a list, as in stages.0.optimiser.epochs=1."""
    if name.isdecimal() and int(name) < len(items):
        return int(name)
    raise RecipeError(
        f"{what}: {name!r} is no place in a list of {len(items)}",
        remedy=f"count from 0 to {len(items) - 1}" if items else "the list is empty",
    )


def _problem(kind: type[BaseModel], problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if not where:
        return str(problem["msg"])
    said = str(problem["msg"]).removeprefix("Value error, ")
    line = f"{where}: {said} (got {problem['input']!r})"
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        known = _keys_beside(kind, problem["loc"])
        near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
        line = f"{where}: unknown key" + (f"; did you mean {near[0]!r}?" if near else "")
        line += f" Known here: {', '.join(known)}"
    return line


def _keys_beside(kind: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    section: Any = kind
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        field = getattr(section, "model_fields", {}).get(part)
        inner = None if field is None else _section_in(field.annotation)
        if inner is not None:
            section = inner
    if is_dataclass(section):
        return [field.name for field in fields(section)]
    return list(section.model_fields)


def _section_in(annotation: Any) -> type | None:
    """The section, or the class of settings, that an annotation such as `Section | None` or
    `tuple[Section, ...]` holds."""
    if isinstance(annotation, type) and (
        issubclass(annotation, BaseModel) or is_dataclass(annotation)
    ):
        return annotation
    for argument in get_args(annotation):
        found = _section_in(argument)
        if found is not None:
            return found
    return None
