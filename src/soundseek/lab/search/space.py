"""What a search varies: settings of a recipe by their dotted keys, each in a range."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from soundseek.errors import RecipeError
from soundseek.lab.recipe_files import Section, validated, with_values
from soundseek.lab.shipped import read_mapping, shipped, shipped_names

SPACES: Final = Path(__file__).parent.parent.parent / "search_spaces"

Value = bool | int | float | str | None


class FloatRange(Section):
    """Numbers from `low` to `high`, in steps of `step` from `low` where that is given; `log`: by
    their order of magnitude."""

    kind: Literal["float"]
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    log: bool = False
    step: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        _check_range(self)
        return self

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values at the ends."""
        return self.low, self.high


class IntRange(Section):
    """Whole numbers from `low` to `high`, both included."""

    kind: Literal["int"]
    low: int
    high: int
    log: bool = False
    step: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        _check_range(self)
        return self

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values at the ends."""
        return self.low, self.high


class Choice(Section):
    """One of `choices`, which have no order."""

    kind: Literal["choice"]
    choices: tuple[Value, ...]

    @model_validator(mode="after")
    def _is_a_choice(self) -> Self:
        kinds = [(type(choice), choice) for choice in self.choices]
        if len(kinds) < 2 or len(set(kinds)) < len(kinds):
            raise ValueError("name at least two choices, each once")
        return self

    @property
    def ends(self) -> tuple[Value, ...]:
        """Every choice."""
        return self.choices


Parameter = Annotated[FloatRange | IntRange | Choice, Field(discriminator="kind")]


class Space(Section):
    """A search space, and how it is searched by default.

    `figure` is what is sought, as validations name it, larger being better. `trials` counts all of
    them, the first `random_starts` being random. `patience`: validations without gain that end a
    trial; null: none does.
    """

    name: str
    description: str = ""
    source: str | None = None
    figure: str = "mAP@10"
    random_starts: int = Field(default=10, ge=1)
    trials: int = Field(default=100, ge=1)
    patience: int | None = Field(default=10, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**32)
    parameters: Mapping[str, Parameter]

    @model_validator(mode="after")
    def _keys_hold(self) -> Self:
        if not self.parameters:
            raise ValueError("name at least one parameter")
        for key in self.parameters:
            if not all(key.split(".")):
                raise ValueError(f"{key!r} is no key of a recipe: write key.sub")
            for other in self.parameters:
                if other.startswith(f"{key}."):
                    raise ValueError(f"{other} is part of {key}: search one of them")
        return self


def space_names() -> list[str]:
    """Names of the shipped search spaces."""
    return shipped_names(SPACES)


def load_space(name_or_path: str, **changes: Any) -> Space:
    """A shipped space by name or a YAML file by path, with `changes` to its settings.

    Raises `RecipeError` with every problem.
    """
    path = shipped(SPACES, name_or_path, "search space")
    document = read_mapping(path) | {k: v for k, v in changes.items() if v is not None}
    return validated(Space, document, str(path))


def check_space(
    space: Space, document: Mapping[str, Any], recipe_of: Callable[[dict[str, Any]], object]
) -> None:
    """See that each end of each range makes a recipe of `document`, all else staying.

    Raises `RecipeError` with every problem: unknown keys with the nearest one, impossible values.
    """
    problems: list[str] = []
    for key, value in _ends(space):
        try:
            recipe_of(with_values(document, {key: value}))
        except RecipeError as error:
            line = f"{key} = {value!r}: {error.message}"
            if not any(known.startswith(f"{key} = ") for known in problems):
                problems.append(line)
    if problems:
        raise RecipeError(
            f"the search space {space.name} does not fit the recipe:"
            + "".join(f"\n  - {problem}" for problem in problems),
            remedy="change its keys or ranges, or search another recipe",
        )


def _ends(space: Space) -> Iterator[tuple[str, Value]]:
    for key, parameter in space.parameters.items():
        for value in parameter.ends:
            yield key, value


def _check_range(given: FloatRange | IntRange) -> None:
    if given.low >= given.high:
        raise ValueError(f"low {given.low} must be below high {given.high}")
    if given.log and given.low <= 0:
        raise ValueError(f"a range by order of magnitude begins above 0, not at {given.low}")
    if given.log and given.step is not None:
        raise ValueError("log and step exclude each other")
