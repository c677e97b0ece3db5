"""Looking a name up in one of the lab's tables, and what a row of it names."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Any, TypeVar

from soundseek.errors import RecipeError

_Built = TypeVar("_Built")


def chosen(table: Mapping[str, _Built], name: str, what: str) -> _Built:
    """The entry of `table` called `name`; `what` says in words what the table holds.

    Raises `RecipeError` with the nearest name and all choices when there is none.
    """
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name, table, n=1)
    raise RecipeError(
        f"no {what} is called {name!r}",
        remedy=(f"did you mean {near[0]!r}? " if near else "")
        + f"choices: {', '.join(sorted(table))}",
    )


def placed(place: str) -> Any:
    """What stands at `module:name`; the module is imported now."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
