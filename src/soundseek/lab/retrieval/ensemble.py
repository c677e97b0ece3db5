"""Ensembles: members trained one by one, their similarities averaged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from soundseek.errors import DataError, RecipeError
from soundseek.lab.progress import Watch
from soundseek.lab.recipe_files import (
    RecipeBase,
    Section,
    find_recipe,
    merged,
    read_recipe_file,
    validated,
)
from soundseek.lab.retrieval.evaluation import run_similarities
from soundseek.lab.retrieval.prepare import Say
from soundseek.lab.retrieval.recipe import Published, RetrievalRecipe
from soundseek.lab.retrieval.report import SCORES, write_scores
from soundseek.lab.retrieval.train import train as train_member
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.similarities import Similarities

_Floats = NDArray[np.float32]
Scale = Literal["none", "zscore", "rank"]


class Member(Section):
    """A recipe of a retrieval system and a difference to it, once for each seed and for each of
    `folds` folds of its training and validation clips."""

    recipe: str
    difference: Mapping[str, Any] = Field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    folds: int | None = Field(default=None, ge=2)


class EnsembleRecipe(RecipeBase):
    """Members whose similarities are averaged, each brought to one scale first by `scale`:
    `none` as they are, `zscore` to mean 0 and deviation 1, `rank` to the places of the clips
    within each query.

    `difference` is merged over every member, behind its own: data, budgets.
    """

    system: Literal["ensemble"]
    published: Published | None = None
    members: tuple[Member, ...]
    scale: Scale = "none"
    difference: Mapping[str, Any] = Field(default_factory=dict)

    @field_validator("members")
    @classmethod
    def _has_members(cls, members: tuple[Member, ...]) -> tuple[Member, ...]:
        # `min_length` would take members that have problems for none.
        if not members:
            raise ValueError("name at least one member")
        return members


class NamedMember(NamedTuple):
    """One model of an ensemble."""

    name: str
    recipe: RetrievalRecipe


def members_of(recipe: EnsembleRecipe) -> list[NamedMember]:
    """Every model of the ensemble. Raises `RecipeError` for members that do not load, and for two
    of one name."""
    members = [
        NamedMember(name, validated(RetrievalRecipe, document, f"{recipe.name}: {name}"))
        for member in recipe.members
        for name, document in _documents(member, recipe.difference)
    ]
    names = [member.name for member in members]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(
                f"{recipe.name}: two members are called {name}",
                remedy="give one of them another name in its difference, or other seeds",
            )
    return members


def train(
    recipe: EnsembleRecipe, run_folder: Path, say: Say = print, *, watch: Watch | None = None
) -> Path:
    """Train every member into a folder of its name below `run_folder`, resuming those that are
    there, then score the ensemble; returns the path of its scores.

    Raises `DataError` when the members were not tested on the same clips and captions.
    """
    folder = RunFolder.claim(run_folder, recipe)
    members = members_of(recipe)
    found = []
    for number, (name, member) in enumerate(members, start=1):
        say(f"member {number} of {len(members)}: {name}")
        train_member(member, folder.path / name, say, watch=watch)
        found.append(run_similarities(folder.path / name, say))
    write_scores(folder.path, recipe, recipe.published, combined(found, recipe.scale), say)
    return folder.path / SCORES


def combined(found: Sequence[Similarities], scale: Scale) -> Similarities:
    """The mean of similarities over the same queries and clips.

    Raises `DataError` when they are not the same.
    """
    first = found[0]
    ids = [clip.id for clip in first.clips]
    for other in found[1:]:
        if other.queries != first.queries or [clip.id for clip in other.clips] != ids:
            raise DataError(
                "the members were tested on different clips or captions",
                remedy="give them the same data.test",
            )
    total = np.zeros_like(first.scores)
    for one in found:
        total += scaled(one.scores, scale)
    mean: _Floats = total / np.float32(len(found))
    return Similarities(first.queries, first.clips, mean, first.relevant)


def scaled(scores: _Floats, scale: Scale) -> _Floats:
    """Scores `[queries, clips]` on a scale that several models share."""
    if scale == "zscore":
        spread = float(scores.std()) or 1.0
        result: _Floats = (scores - scores.mean()) / np.float32(spread)
        return result
    if scale == "rank":
        # How many are below, and half of those that are equal: the order of the clips decides
        # nothing.
        ordered = np.sort(scores, axis=1)
        places = [
            np.searchsorted(row, values, "left") + np.searchsorted(row, values, "right")
            for row, values in zip(ordered, scores, strict=True)
        ]
        ranked: _Floats = np.stack(places).astype(np.float32) / np.float32(2 * scores.shape[1])
        return ranked
    return scores


def _documents(
    member: Member, difference: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    document = read_recipe_file(find_recipe(member.recipe))
    document = merged(merged(document, member.difference), difference)
    stem = str(document["name"]).replace("/", "-")
    for seed in member.seeds or (document.get("seed", 0),):
        seeded = document | {"seed": seed}
        if member.folds is None:
            yield f"{stem}-seed{seed}", seeded
            continue
        for fold in range(member.folds):
            split = merged(seeded, {"data": {"folds": member.folds, "fold": fold}})
            yield f"{stem}-seed{seed}-fold{fold}", split
