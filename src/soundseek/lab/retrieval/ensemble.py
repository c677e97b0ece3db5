"""Ensembles as recipes: members trained one by one, then joined."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, field_validator

from soundseek.errors import RecipeError
from soundseek.lab.ensembling.alignment import gathered
from soundseek.lab.ensembling.ensemble import described, write_document
from soundseek.lab.ensembling.figures import FIGURES, figures_of
from soundseek.lab.ensembling.join import By, Joined, checked_weights, joined, mixture
from soundseek.lab.ensembling.scales import Scale
from soundseek.lab.ensembling.selection import select
from soundseek.lab.environment import write_environment
from soundseek.lab.progress import Watch
from soundseek.lab.recipe_files import (
    RecipeBase,
    Section,
    find_recipe,
    merged,
    name_in,
    read_recipe_file,
    validated,
)
from soundseek.lab.retrieval.caption_match import CaptionMatchRecipe
from soundseek.lab.retrieval.caption_match import train as match_captions
from soundseek.lab.retrieval.prepare import Say
from soundseek.lab.retrieval.recipe import Published, RetrievalRecipe
from soundseek.lab.retrieval.report import SCORES, write_scores
from soundseek.lab.retrieval.sharing import giver, hand_over
from soundseek.lab.retrieval.train import train as train_member
from soundseek.lab.run_folder import SIMILARITIES, RunFolder
from soundseek.lab.similarities import Similarities
from soundseek.lab.systems import similarities


class Member(Section):
    """A recipe of a retrieval system, or of one that compares generated captions, and a difference
    to it, once for each seed and for each of `folds` folds of its training and validation clips."""

    recipe: str
    difference: Mapping[str, Any] = Field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    folds: int | None = Field(default=None, ge=2)


class EnsembleRecipe(RecipeBase):
    """Members whose similarities are averaged, each brought to one scale first by `scale`:
    `none` as they are, `zscore` to mean 0 and deviation 1, `query_zscore` to the same within each
    query, `rank` to the places of the clips within each query. `by: embeddings` averages these
    instead, for members that went on from one model.

    `select: greedy` finds members and weights on the validation clips, by `figure`; members of
    several folds have other validation clips each, and cannot be selected among, nor can members
    that compare captions, which have none.

    `difference` is merged over every member, behind its own: data, budgets.
    """

    system: Literal["ensemble"]
    published: Published | None = None
    members: tuple[Member, ...]
    scale: Scale = "none"
    by: By = "similarities"
    select: Literal["none", "greedy"] = "none"
    figure: Annotated[str, name_in(FIGURES, "figure")] = "mAP@10"
    difference: Mapping[str, Any] = Field(default_factory=dict)

    @field_validator("members")
    @classmethod
    def _has_members(cls, members: tuple[Member, ...]) -> tuple[Member, ...]:
        # `min_length` would take members that have problems for none.
        if not members:
            raise ValueError("name at least one member")
        return members


class NamedMember(NamedTuple):
    """One system of an ensemble."""

    name: str
    recipe: RetrievalRecipe | CaptionMatchRecipe


def members_of(recipe: EnsembleRecipe) -> list[NamedMember]:
    """Every system of the ensemble. Raises `RecipeError` for members that do not load, for two of
    one name, and for those that have no validation clips where these are needed."""
    members = [
        NamedMember(name, _validated(document, f"{recipe.name}: {name}"))
        for member in recipe.members
        for name, document in _documents(member, recipe.difference)
    ]
    _check_read_members(recipe, members)
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

    First stages that a member has in common with one before it are not trained again. The folder
    gets ensemble.json, and what every run leaves of its test set. Raises `DataError` when the
    members were not tested, or for selection validated, on the same clips and captions.
    """
    folder = RunFolder.claim(run_folder, recipe)
    write_environment(folder.path)
    members = members_of(recipe)
    trained = trained_members(members)
    for number, (name, member) in enumerate(members, start=1):
        say(f"member {number} of {len(members)}: {name}")
        if isinstance(member, CaptionMatchRecipe):
            match_captions(member, folder.path / name, say, watch=watch)
            continue
        given = giver(trained, name)
        if given is not None and hand_over(folder.path / given[0], folder.path / name, given[1]):
            say(f"{', '.join(given[1])}: as {given[0]} trained it")
        train_member(member, folder.path / name, say, watch=watch)

    def of(part: str) -> dict[str, Similarities]:
        return gathered(
            (name, similarities(folder.path / name, part=part, say=say)) for name, _ in members
        )

    weights, selection = None, None
    if recipe.select == "greedy":
        validation = mixture(of("validation"), scale=recipe.scale, by=recipe.by)
        with tempfile.TemporaryDirectory(dir=folder.path) as work:
            selection = select(validation.stored(Path(work)), figure=recipe.figure)
        weights = checked_weights(selection.counts, len(members))
        Joined(validation, weights).save(folder.path / SIMILARITIES / "validation")
    found = of("test")
    whole = joined(found, scale=recipe.scale, weights=weights, by=recipe.by)
    made = whole.similarities()
    write_scores(folder.path, recipe, recipe.published, made, say)
    told = described(found, whole, figures_of(made), "test", recipe.scale, recipe.by, selection)
    write_document(folder.path, told)
    return folder.path / SCORES


def trained_members(members: Sequence[NamedMember]) -> dict[str, RetrievalRecipe]:
    """Those that learn, by name."""
    return {one.name: one.recipe for one in members if isinstance(one.recipe, RetrievalRecipe)}


def _validated(document: Mapping[str, Any], where: str) -> RetrievalRecipe | CaptionMatchRecipe:
    if document.get("system") == "caption_match":
        return validated(CaptionMatchRecipe, document, where)
    return validated(RetrievalRecipe, document, where)


def _check_read_members(recipe: EnsembleRecipe, members: Sequence[NamedMember]) -> None:
    """Captions are compared on the test clips alone, and nothing is learnt that folds would
    change."""
    for member in members:
        if not isinstance(member.recipe, CaptionMatchRecipe):
            continue
        if recipe.select != "none" or member.recipe.data.folds is not None:
            raise RecipeError(
                f"{recipe.name}: {member.name} compares captions, and has no validation clips",
                remedy="set select: none, and name no folds of this member",
            )


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
