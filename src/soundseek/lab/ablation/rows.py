"""The rows of an ablation: named differences from one system, and what was published of each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field, field_validator, model_validator

from soundseek.errors import RecipeError
from soundseek.lab.recipe_files import (
    Section,
    difference_over,
    find_recipe,
    merged,
    read_recipe_file,
    validated,
)
from soundseek.lab.shipped import read_mapping, shipped, shipped_names
from soundseek.lab.systems import check_ranking, recipe_of

ABLATIONS: Final = Path(__file__).parent.parent.parent / "ablations"
_FILE_NAME: Final = re.compile(r"[\w-][\w.-]*")
# What tells recipes apart for people, but not what they do.
_WORDS: Final = ("name", "description", "published")


class Row(Section):
    """One system of an ablation.

    Either `difference`, merged over the recipe that is ablated, or `recipe`, a recipe's name or
    file; `published`: its figures in the report (default: the recipe's own), and the deviation of
    mAP@10 over the report's runs.
    """

    name: str
    title: str | None = None
    recipe: str | None = None
    difference: Mapping[str, Any] | None = None
    published: Mapping[str, float] | None = None
    published_deviation: float | None = Field(default=None, ge=0)

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not _FILE_NAME.fullmatch(name):
            raise ValueError("a row's name is a folder's: letters, digits, - and _")
        return name

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.recipe is not None and self.difference is not None:
            raise ValueError("give a recipe or a difference, not both")
        return self


class Rows(Section):
    """An ablation; the first row is the one that the others are compared with.

    `of`: the recipe that the rows' recipes are differences of (default: the one that is ablated).
    What a row's recipe changes of it is changed in whichever recipe is ablated.
    """

    name: str
    description: str = ""
    source: str | None = None
    of: str | None = None
    rows: tuple[Row, ...]

    @model_validator(mode="after")
    def _rows_hold(self) -> Self:
        if len(self.rows) < 2:
            raise ValueError("name at least two rows: the whole system, and what it is without")
        names = [row.name.casefold() for row in self.rows]
        for row in self.rows:
            if names.count(row.name.casefold()) > 1:
                raise ValueError(f"two rows are called {row.name!r}")
        return self


@dataclass(frozen=True)
class System:
    """A row made whole: the mapping of its recipe.

    `same_as` names an earlier row that is the same system, which is then run once.
    """

    name: str
    title: str
    document: Mapping[str, Any]
    published: Mapping[str, float]
    published_deviation: float | None
    same_as: str | None = None


def row_list_names() -> list[str]:
    """Names of the shipped ablations."""
    return shipped_names(ABLATIONS)


def load_rows(name_or_path: str) -> Rows:
    """A shipped ablation by name or a YAML file by path. Raises `RecipeError`."""
    path = shipped(ABLATIONS, name_or_path, "ablation")
    return validated(Rows, read_mapping(path), str(path))


def systems_of(
    rows: Rows, recipe: str, overrides: Sequence[str] = (), differences: Sequence[Path] = ()
) -> list[System]:
    """Each row over `recipe`, with `differences` and `overrides` below what the row changes.

    A row's recipe that extends the one that the rows are `of` changes what it changes there,
    whatever the overrides say: what a row leaves out stays out. One that does not extend it is
    taken whole, the overrides over it.
    Raises `RecipeError` with the problems of every row, `DataError` for a system that ranks no
    clips: rows are compared by their rankings.
    """
    base = read_recipe_file(find_recipe(recipe), overrides, differences)
    check_ranking(base, recipe)
    made: list[System] = []
    problems: list[str] = []
    for row in rows.rows:
        try:
            document = _document(row, rows.of or recipe, base, overrides, differences)
            full = recipe_of(document, f"row {row.name}").model_dump()
        except RecipeError as error:
            problems.append(str(error))
            continue
        check_ranking(full, f"the row {row.name}")
        same = [one.name for one in made if _essence(one.document) == _essence(full)]
        made.append(
            System(
                row.name,
                row.title or row.name,
                full,
                _published(row, document),
                row.published_deviation,
                same[0] if same else None,
            )
        )
    if problems:
        raise RecipeError(
            f"the ablation {rows.name}:" + "".join(f"\n  - {problem}" for problem in problems)
        )
    return made


def _document(
    row: Row,
    of: str,
    base: Mapping[str, Any],
    overrides: Sequence[str],
    differences: Sequence[Path],
) -> dict[str, Any]:
    if row.recipe is None:
        changed = merged(base, row.difference or {})
        if row.difference:
            # What was published of the whole system is not this one's.
            changed.pop("published", None)
        return changed
    own = difference_over(row.recipe, of)
    if own is None:
        return read_recipe_file(find_recipe(row.recipe), overrides, differences)
    return merged(base, own)


def _published(row: Row, document: Mapping[str, Any]) -> dict[str, float]:
    if row.published is not None:
        return dict(row.published)
    scores = (document.get("published") or {}).get("scores") or {}
    return {name: float(value) for name, value in scores.items() if value is not None}


def _essence(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in _WORDS}
