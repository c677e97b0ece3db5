"""A run's folder: its recipe, its tables of figures, and the checkpoint that it resumes from."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from soundseek.errors import DataError, RecipeError
from soundseek.lab.recipe_files import RecipeBase

SCHEMA_VERSION = 1
CHECKPOINT = "last.pt"
_RECIPE = "recipe.json"
METRICS, VALIDATION = "metrics.csv", "validation.csv"
SCORES, PREDICTIONS, CAPTIONS = "scores.json", "predictions.csv", "captions.csv"
SIMILARITIES = "similarities"
"""Below it, a folder of similarities a part: `test`, `validation`."""


@dataclass(frozen=True)
class RunFolder:
    """recipe.json, metrics.csv, validation.csv, last.pt and cache/ under `path`."""

    path: Path

    @classmethod
    def claim(cls, path: Path, recipe: RecipeBase) -> RunFolder:
        """Take a folder for a run of `recipe`, new or to be resumed.

        Raises `RecipeError` if it holds a run of another recipe (settings of `run` may differ), but
        for one that came to nothing: no checkpoint, no scores.
        """
        path.mkdir(parents=True, exist_ok=True)
        file = path / _RECIPE
        document = recipe.model_dump(mode="json")
        begun = (path / CHECKPOINT).exists() or (path / SCORES).exists()
        if not file.exists() or not begun:
            draft = file.with_suffix(".partial")
            draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
            draft.replace(file)
            return cls(path)
        cls(path).check(recipe)
        return cls(path)

    def check(self, recipe: RecipeBase) -> bool:
        """Whether the folder holds a run. Raises `RecipeError` if that is one of another recipe."""
        if not (self.path / _RECIPE).exists():
            return False
        there = self.document()
        if not _same(there, recipe):
            raise RecipeError(
                f"{self.path} holds a run of another recipe ({there.get('name')})",
                remedy="choose another --out, or remove the folder",
            )
        return True

    def exists(self) -> bool:
        """Whether the folder holds a run, of whatever recipe."""
        return (self.path / _RECIPE).is_file()

    def document(self) -> dict[str, Any]:
        """The recipe of the run, as JSON. Raises `DataError` where there is no run."""
        file = self.path / _RECIPE
        if not file.is_file():
            raise DataError(f"no run in {self.path}", remedy="train first: soundseek train RECIPE")
        try:
            document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            # Runs of before there were several systems.
            return {"system": "distilled", **document}
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{file} is damaged: {error!r}",
                remedy="a run cannot go on without its recipe: choose another --out",
            ) from error

    @property
    def cache(self) -> Path:
        """What is derived from the data; can be deleted at any time."""
        return self.path / "cache"

    def cache_for(self, setting: str | None) -> Path:
        """Where the run keeps it: a recipe's `run.cache`, or its own folder without one."""
        return Path(setting) if setting else self.cache

    @property
    def checkpoint(self) -> Path:
        return self.path / CHECKPOINT

    def saved(self) -> dict[str, Any] | None:
        """The last checkpoint, None before the first. Raises `DataError` for a newer one."""
        if not self.checkpoint.is_file():
            return None
        import torch  # which what reads tables and scores can do without

        saved: dict[str, Any] = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        if saved["schema_version"] > SCHEMA_VERSION:
            raise DataError(
                f"{self.checkpoint} has schema version {saved['schema_version']}, "
                f"this soundseek reads up to {SCHEMA_VERSION}",
                remedy="upgrade soundseek: pip install --upgrade 'soundseek[lab]'",
            )
        return saved

    def save(self, state: Mapping[str, Any]) -> None:
        """To a temporary name and renamed: a killed run keeps the checkpoint before.

        Raises `DataError` where it cannot be written.
        """
        save_whole({"schema_version": SCHEMA_VERSION, **state}, self.checkpoint)

    def append(self, table: str, row: Mapping[str, object]) -> None:
        """Add a row to a table of figures."""
        path = self.path / table
        fresh = not path.exists() or path.stat().st_size == 0
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if fresh:
                writer.writeheader()
            writer.writerow(row)

    def rewind(self, step: int) -> None:
        """Drop the rows that come after `step`: the run will write them again."""
        for table in (METRICS, VALIDATION):
            path = self.path / table
            if not path.exists():
                continue
            with path.open(newline="", encoding="utf-8") as file:
                lines = list(csv.reader(file))
            # A full disk may have cut the last row, or the first.
            whole = [line for line in lines[1:] if len(line) == len(lines[0])]
            kept = [line for line in whole if int(line[0]) <= step]
            draft = path.with_suffix(".partial")
            with draft.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([lines[0], *kept] if kept else [])
            draft.replace(path)


def save_whole(state: Mapping[str, Any], path: Path) -> None:
    """Write a file of weights to a temporary name and rename it: what was there stays until then.

    Raises `DataError` where it cannot be written.
    """
    import torch

    draft = path.with_suffix(".partial")
    try:
        torch.save(state, draft)
        draft.replace(path)
    except (OSError, RuntimeError) as error:  # a full disk is the latter in torch's writer
        draft.unlink(missing_ok=True)
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise DataError(
            f"{path} cannot be written: {why.splitlines()[0]}",
            remedy="see to it that the disk has room and can be written, then train again: "
            "the run goes on from its last checkpoint",
        ) from error


def _same(document: Mapping[str, Any], recipe: RecipeBase) -> bool:
    """Whether a folder's recipe is this one, whatever its settings of `run`. What an earlier
    version did not know stands at its default there."""
    try:
        there = type(recipe).model_validate(document)
    except ValidationError:
        return False
    one, other = (each.model_dump(mode="json") | {"run": None} for each in (there, recipe))
    return one == other
