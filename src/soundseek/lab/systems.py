"""The kinds of system that a recipe can describe, and what runs each of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from soundseek.errors import BundleError, DataError, RecipeError
from soundseek.lab.choices import chosen, placed
from soundseek.lab.data.locking import folder_lock
from soundseek.lab.progress import Watch
from soundseek.lab.recipe_files import (
    RecipeBase,
    find_recipe,
    read_recipe_file,
    recipe_names,
    validated,
)

if TYPE_CHECKING:
    from soundseek.lab.problems import Problem
    from soundseek.lab.similarities import Similarities

Say = Callable[[str], None]
_LOCK: Final = ".lock"


class System(NamedTuple):
    """Places (`module:name`) of a system's recipe class; of its training function, which takes
    (recipe, run folder, say) and returns the path of what it made; of what makes the recipe small
    enough to be tried on synthetic sounds: (recipe, folder for the sounds) → recipe, or None; of
    what lets a run's model hear a part of its clips: (run folder, say, part=) → similarities, or
    None where the run keeps all it can tell; of what makes a bundle of a run: (run folder,
    destination, name=, say=, window_s=) → the bundle's folder; of what rehearses a training:
    (recipe, run folder or None, say) → what it `Rehearsed`; and of what finds the largest batch:
    (recipe, say, limit_bytes=) → what it `Rehearsed`, or None.

    Where no bundle can be made, `export` is None and `no_export` is why, and what to do instead.
    `no_ranking`: as that, of a system that ranks no clips; all others do.
    """

    recipe: str
    train: str
    small: str | None
    similarities: str | None
    export: str | None
    rehearse: str
    find_batch: str | None = None
    no_export: tuple[str, str] = ("", "")
    no_ranking: tuple[str, str] | None = None


class Rehearsed(Protocol):
    """What a rehearsal found, for programs and for people."""

    def document(self) -> dict[str, Any]:
        """As JSON would hold it."""
        ...

    def lines(self) -> Iterator[str]:
        """As people read it."""
        ...


class Rehearsal(Rehearsed, Protocol):
    """With `problems`, the recipe would not train."""

    @property
    def problems(self) -> tuple[Problem, ...]: ...


SYSTEMS: Final[Mapping[str, System]] = MappingProxyType(
    {
        "distilled": System(
            "soundseek.lab.distilled.recipe:Recipe",
            "soundseek.lab.distilled.train:train",
            None,
            "soundseek.lab.distilled.evaluation:run_similarities",
            "soundseek.lab.distilled.export:export_run",
            "soundseek.lab.plain_rehearsal:rehearse_distilled",
        ),
        "retrieval": System(
            "soundseek.lab.retrieval.recipe:RetrievalRecipe",
            "soundseek.lab.retrieval.train:train",
            "soundseek.lab.retrieval.tiny:tiny",
            "soundseek.lab.retrieval.evaluation:run_similarities",
            "soundseek.lab.retrieval.export:export_run",
            "soundseek.lab.retrieval.rehearsal:rehearse",
            "soundseek.lab.retrieval.batch_finder:find_batch",
        ),
        "ensemble": System(
            "soundseek.lab.retrieval.ensemble:EnsembleRecipe",
            "soundseek.lab.retrieval.ensemble:train",
            "soundseek.lab.retrieval.tiny:tiny_ensemble",
            None,
            None,
            "soundseek.lab.retrieval.ensemble_rehearsal:rehearse_ensemble",
            None,
            (
                "is an ensemble, and a bundle holds one model",
                "export one of its members, each a folder in there: soundseek export RUN/MEMBER",
            ),
        ),
        "captioning": System(
            "soundseek.lab.captioning.recipe:CaptioningRecipe",
            "soundseek.lab.captioning.train:train",
            "soundseek.lab.captioning.tiny:tiny",
            None,
            "soundseek.lab.captioning.export:export_run",
            "soundseek.lab.captioning.rehearsal:rehearse",
            no_ranking=(
                "writes captions and ranks no clips",
                "train it by soundseek train, score its captions by soundseek evaluate run, and "
                "compare two runs by soundseek evaluate captions A/captions.csv --compare "
                "B/captions.csv",
            ),
        ),
        "words": System(
            "soundseek.lab.words.recipe:WordsRecipe",
            "soundseek.lab.words.train:train",
            None,
            None,
            None,
            "soundseek.lab.words.rehearsal:rehearse",
            None,
            (
                "is a text tower alone, and a bundle also needs what hears sound",
                "name it in the recipe of an embedded model, and export a run of that",
            ),
            (
                "reads texts and ranks no clips",
                "train it by soundseek train; its figures are in the run's validation.csv",
            ),
        ),
        "caption_match": System(
            "soundseek.lab.retrieval.caption_match:CaptionMatchRecipe",
            "soundseek.lab.retrieval.caption_match:train",
            "soundseek.lab.retrieval.tiny:tiny_caption_match",
            None,
            None,
            "soundseek.lab.plain_rehearsal:rehearse_caption_match",
            None,
            (
                "compares texts with generated captions: it has no network that hears sound",
                "train a system with an audio encoder, see `soundseek recipes list`",
            ),
        ),
    }
)


def load_recipe(
    name_or_path: str, overrides: Sequence[str] = (), differences: Sequence[Path] = ()
) -> RecipeBase:
    """Load a shipped recipe by name or a YAML file by path, with `key.sub=value` overrides.

    `differences` are YAML files merged over it, in order, before the overrides. Raises
    `RecipeError` with every problem: its path, its value, the remedy.
    """
    path = find_recipe(name_or_path)
    return recipe_of(read_recipe_file(path, overrides, differences), str(path))


def recipe_of(document: Mapping[str, Any], where: str) -> RecipeBase:
    """The typed recipe of a mapping; `system` says which kind it is."""
    name = document.get("system")
    if name is None:
        raise RecipeError(f"{where} names no system", remedy=f"system: {' | '.join(SYSTEMS)}")
    kind: type[RecipeBase] = placed(chosen(SYSTEMS, str(name), "system").recipe)
    return validated(kind, document, where)


def train(
    recipe: RecipeBase, run_folder: Path, say: Say = print, *, watch: Watch | None = None
) -> Path:
    """Train what the recipe describes, or resume it; returns the path of what was made.

    `watch` is told of every validation. What it raises ends the run, which can go on later. Raises
    `DataError` where another process is at work in the folder.
    """
    # Where several processes train together, the first stands for all.
    first = os.environ.get("RANK", "0") == "0"
    with folder_lock(run_folder, _LOCK) if first else nullcontext():
        made: Path = placed(_system_of(recipe).train)(recipe, run_folder, say, watch=watch)
    return made


def rehearse(recipe: RecipeBase, run_folder: Path | None = None, say: Say = print) -> Rehearsal:
    """Look at all that a training needs, and try some steps where the system knows how. What is
    wrong is told in the result's `problems`, all at once; nothing is written into `run_folder`."""
    found: Rehearsal = placed(_system_of(recipe).rehearse)(recipe, run_folder, say)
    return found


def find_batch(
    recipe: RecipeBase, say: Say = print, *, limit_bytes: int | None = None
) -> Rehearsed:
    """Find the largest batch that trains in memory, within `limit_bytes` of it.

    Raises `RecipeError` for a system whose batches cannot be tried.
    """
    place = _system_of(recipe).find_batch
    if place is None:
        raise RecipeError(
            f"batches of {recipe.name} cannot be tried: its system is {_name_of(recipe)}",
            remedy="find the batch of a retrieval recipe, such as a member of an ensemble; a "
            "captioning recipe needs less memory with a larger optimiser.accumulate",
        )
    found: Rehearsed = placed(place)(recipe, say, limit_bytes=limit_bytes)
    return found


def similarities(run_folder: Path, *, part: str = "test", say: Say = print) -> Similarities:
    """Every caption of a part (`test` or `validation`) of a run's clips against every clip of it.

    What the run keeps is read; otherwise its model hears the clips, and the result is kept. Raises
    `DataError` where there is no run, or nothing that could tell.
    """
    from soundseek.lab.run_folder import SIMILARITIES, RunFolder
    from soundseek.lab.similarities import open_similarities

    kept = run_folder / SIMILARITIES / part
    document = RunFolder(run_folder).document()
    if kept.is_dir():
        return open_similarities(kept)
    check_ranking(document, f"the run in {run_folder}")
    place = chosen(SYSTEMS, str(document["system"]), "system").similarities
    if place is None:
        raise DataError(
            f"{run_folder} keeps no similarities of {part}",
            remedy="let the run come to its end: soundseek train RECIPE --out RUN",
        )
    found: Similarities = placed(place)(run_folder, say, part=part)
    found.save(kept)
    return found


def check_ranking(document: Mapping[str, Any], what: str) -> None:
    """Raises `DataError` where a recipe's system ranks no clips; `what` it is the recipe of."""
    system = SYSTEMS.get(str(document.get("system")))
    if system is not None and system.no_ranking is not None:
        why, instead = system.no_ranking
        raise DataError(f"{what} {why}", remedy=instead)


def export(
    source: Path,
    destination: Path,
    *,
    name: str,
    say: Say = print,
    window_s: float | None = None,
    clips: Path | None = None,
) -> Path:
    """Make a bundle called `name` of a trained run, or of a Hugging Face CLAP by folder or hub
    name; returns its folder.

    `window_s`: length of the windows, for a system whose recipe does not set it. `clips`: a
    manifest that a CLAP is scored and calibrated on. Raises `DataError` where there is neither,
    `BundleError` for a system or a network that no bundle can hold, and for `clips` with a run.
    """
    from soundseek.lab.run_folder import RunFolder

    if not RunFolder(source).exists() and _may_be_published(source):
        from soundseek.lab.retrieval.clap_export import export_clap

        return export_clap(
            source.as_posix(), destination, name=name, say=say, window_s=window_s, clips=clips
        )
    document = RunFolder(source).document()
    if clips is not None:
        raise BundleError(
            f"{source} is a run, which is scored on its own clips", remedy="leave --clips out"
        )
    system = chosen(SYSTEMS, str(document["system"]), "system")
    if system.export is None:
        why, instead = system.no_export
        raise BundleError(f"the run in {source} {why}", remedy=instead)
    made: Path = placed(system.export)(source, destination, name=name, say=say, window_s=window_s)
    return made


def _may_be_published(source: Path) -> bool:
    """Whether what holds no run may be a Hugging Face model: a folder with config.json, or a hub
    name (OWNER/MODEL). Raises `DataError` for a folder that holds neither."""
    if source.is_dir():
        if (source / "config.json").is_file():
            return True
        raise DataError(
            f"no run in {source}, and no Hugging Face CLAP either: it has neither recipe.json nor "
            "config.json",
            remedy="train first: soundseek train RECIPE; or give the whole folder of a CLAP",
        )
    # With a folder of the owner's name, it is the path of a run that is not there.
    is_name = len(source.parts) == 2 and source.parts[0] not in ("..", "~", source.anchor)
    return is_name and not source.parent.exists()


def small(recipe: RecipeBase, folder: Path) -> RecipeBase:
    """The recipe made small enough for a trial run on synthetic sounds, which go into `folder`.

    Raises `RecipeError` for a system that has no small form.
    """
    place = _system_of(recipe).small
    if place is None:
        raise RecipeError(
            f"{recipe.name} has no small form", remedy="shorten it by overrides instead of --smoke"
        )
    made: RecipeBase = placed(place)(recipe, folder)
    return made


def _system_of(recipe: RecipeBase) -> System:
    return SYSTEMS[_name_of(recipe)]


def _name_of(recipe: RecipeBase) -> str:
    return str(recipe.system)  # type: ignore[attr-defined]


__all__ = [
    "SYSTEMS",
    "Rehearsal",
    "Rehearsed",
    "System",
    "check_ranking",
    "export",
    "find_batch",
    "load_recipe",
    "recipe_names",
    "recipe_of",
    "rehearse",
    "similarities",
    "train",
]
