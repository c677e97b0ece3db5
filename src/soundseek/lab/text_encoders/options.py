"""Checks of the text encoders' options, which come from a recipe."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from soundseek.errors import RecipeError
from soundseek.lab.choices import chosen

# Options that are sizes, and how a transformers configuration calls them.
_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "layers": "num_hidden_layers",
        "width": "hidden_size",
        "heads": "num_attention_heads",
        "intermediate": "intermediate_size",
        "projection": "projection_dim",
    }
)
# Of every `create`: not options, but what the recipe says elsewhere.
_GIVEN = ("model", "weights", "texts", "max_tokens", "unknown")


def refuse_unknown(create: Callable[..., Any], unknown: Iterable[str], encoder: str) -> None:
    """Raises `RecipeError` with the nearest option of `create` for the first unknown one."""
    known = [name for name in inspect.signature(create).parameters if name not in _GIVEN]
    for name in unknown:
        chosen(dict.fromkeys(known), name, f"option of {encoder}")


def one_of(value: str, choices: Iterable[str], what: str) -> None:
    """Raises `RecipeError` with the choices when `value` is none of them."""
    chosen(dict.fromkeys(choices), str(value), what)


def refuse_sizes(sizes: Mapping[str, object], encoder: str) -> None:
    """Raises `RecipeError` when sizes are given for weights that bring their own."""
    given = [name for name, value in sizes.items() if value is not None]
    if given:
        raise RecipeError(
            f"{', '.join(given)} of {encoder}: pretrained weights bring their own sizes",
            remedy="leave them out, or set weights=random",
        )


def config_fields(sizes: Mapping[str, int | None]) -> dict[str, int]:
    """The sizes that are given, by their names in a transformers configuration."""
    return {_FIELDS[name]: value for name, value in sizes.items() if value is not None}


def within_positions(max_tokens: int, positions: int, encoder: str) -> None:
    """Raises `RecipeError` unless texts of `max_tokens` fit into so many positions."""
    if not 1 <= max_tokens <= positions:
        raise RecipeError(
            f"max_tokens is {max_tokens}, and {encoder} has {positions} positions",
            remedy=f"set it between 1 and {positions}",
        )


def even_heads(width: int, heads: int, encoder: str) -> None:
    """Raises `RecipeError` unless the heads share the width evenly."""
    if heads < 1 or width < 1 or width % heads:
        raise RecipeError(
            f"width {width} of {encoder} cannot be shared by {heads} heads",
            remedy="make width a multiple of heads",
        )
