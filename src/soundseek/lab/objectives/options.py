"""Checks of the terms' options, which come from a recipe."""

from __future__ import annotations

import math
from collections.abc import Sequence

from soundseek.errors import RecipeError
from soundseek.lab.choices import chosen


def number(
    term: str,
    option: str,
    value: float,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    most: float = math.inf,
) -> float:
    """`value` as a float, if it is a finite number greater than `above` in [`least`, `most`].

    Raises `RecipeError` naming term, option, value and range.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and value > above and least <= value <= most:
        return float(value)
    bounds = [f"above {above:g}"] if above > -math.inf else []
    bounds += [f"at least {least:g}"] if least > -math.inf else []
    bounds += [f"at most {most:g}"] if most < math.inf else []
    raise RecipeError(
        f"{option} of {term} is {value!r}",
        remedy=", ".join(["give a number", *bounds]),
    )


def whole(term: str, option: str, value: int, *, least: int) -> int:
    """`value`, if it is a whole number of at least `least`.

    Raises `RecipeError` naming term, option, value and range.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    raise RecipeError(
        f"{option} of {term} is {value!r}", remedy=f"give a whole number, at least {least}"
    )


def one_of(term: str, option: str, value: str, choices: Sequence[str]) -> None:
    """Raises `RecipeError` with the nearest of `choices` when `value` is none of them."""
    chosen(dict.fromkeys(choices), str(value), f"{option} of {term}")


def switch(term: str, option: str, value: bool) -> bool:
    """`value`, if it is a truth value. Raises `RecipeError` naming term, option and value."""
    if isinstance(value, bool):
        return value
    raise RecipeError(f"{option} of {term} is {value!r}", remedy="give true or false")
