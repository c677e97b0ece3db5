"""YAML files that ship with the package, by name, and others by path."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml

from soundseek.errors import RecipeError


def shipped_names(folder: Path) -> list[str]:
    """Names of the YAML files under a folder of the package, such as `soundseek/mini`."""
    return sorted(
        path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml")
    )


def shipped(folder: Path, name_or_path: str, what: str) -> Path:
    """The file of a shipped name, or of a path; `what` the folder holds.

    Raises `RecipeError` with the nearest name.
    """
    path = folder / f"{name_or_path}.yaml"
    if not path.is_file():
        path = Path(name_or_path)
    if not path.is_file():
        names = shipped_names(folder)
        near = difflib.get_close_matches(name_or_path, names, n=1)
        raise RecipeError(
            f"no {what} {name_or_path!r}",
            remedy=(f"did you mean {near[0]!r}? " if near else "")
            + f"choices: {', '.join(names)}, or the path of a YAML file",
        )
    return path


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds. Raises `RecipeError` for anything else."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise RecipeError(f"{path} must hold a mapping, not {type(document).__name__}")
    return document
