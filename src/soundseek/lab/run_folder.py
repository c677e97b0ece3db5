"""A run's folder: its recipe, its tables of figures, and the checkpoint that it resumes from."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from soundseek.errors import DataError, RecipeError
from soundseek.lab.biencoder import BiEncoder
from soundseek.lab.build import build_biencoder
from soundseek.lab.recipe import Recipe

SCHEMA_VERSION = 1
CHECKPOINT = "last.pt"
_RECIPE = "recipe.json"
METRICS, VALIDATION = "metrics.csv", "validation.csv"


@dataclass(frozen=True)
class RunFolder:
    """recipe.json, metrics.csv, validation.csv, last.pt and cache/ under `path`."""

    path: Path

    @classmethod
    def claim(cls, path: Path, recipe: Recipe) -> RunFolder:
        """Take a folder for a run of `recipe`, new or to be resumed.

        Raises `RecipeError` if it holds a run of another recipe (settings of `run` may differ).
        """
        path.mkdir(parents=True, exist_ok=True)
        file = path / _RECIPE
        if not file.exists():
            document = recipe.model_dump(mode="json")
            file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
            return cls(path)
        there = cls(path).recipe()
        if there.model_copy(update={"run": recipe.run}) != recipe:
            raise RecipeError(
                f"{path} holds a run of another recipe ({there.name})",
                remedy="choose another --out, or remove the folder",
            )
        return cls(path)

    def recipe(self) -> Recipe:
        """The recipe of the run."""
        return Recipe.model_validate(json.loads((self.path / _RECIPE).read_text(encoding="utf-8")))

    @property
    def cache(self) -> Path:
        """What is derived from the data; can be deleted at any time."""
        return self.path / "cache"

    @property
    def checkpoint(self) -> Path:
        return self.path / CHECKPOINT

    def saved(self) -> dict[str, Any] | None:
        """The last checkpoint, None before the first. Raises `DataError` for a newer one."""
        if not self.checkpoint.is_file():
            return None
        saved: dict[str, Any] = torch.load(self.checkpoint, weights_only=True)
        if saved["schema_version"] > SCHEMA_VERSION:
            raise DataError(
                f"{self.checkpoint} has schema version {saved['schema_version']}, "
                f"this soundseek reads up to {SCHEMA_VERSION}",
                remedy="upgrade soundseek: pip install --upgrade 'soundseek[lab]'",
            )
        return saved

    def save(self, state: Mapping[str, Any]) -> None:
        """To a temporary name and renamed: a killed run keeps the checkpoint before."""
        draft = self.checkpoint.with_suffix(".partial")
        torch.save({"schema_version": SCHEMA_VERSION, **state}, draft)
        draft.replace(self.checkpoint)

    def append(self, table: str, row: Mapping[str, object]) -> None:
        """Add a row to a table of figures."""
        path = self.path / table
        fresh = not path.exists()
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
                header, *rows = list(csv.reader(file))
            kept = [row for row in rows if int(row[0]) <= step]
            draft = path.with_suffix(".partial")
            with draft.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([header, *kept])
            draft.replace(path)


def load_trained(folder: Path) -> tuple[Recipe, BiEncoder, dict[str, Any]]:
    """The recipe, the averaged model (eval mode) and the checkpoint of a run.

    Raises `DataError` when the folder holds no checkpoint.
    """
    run = RunFolder(folder)
    saved = run.saved()
    if saved is None:
        raise DataError(f"no run in {folder}", remedy="train first: soundseek train RECIPE")
    recipe = run.recipe()
    model = build_biencoder(recipe, saved["anchors"], saved["tokenizer_json"])
    model.load_state_dict(saved["average"])
    return recipe, model.eval(), saved
