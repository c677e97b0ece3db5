"""What a rehearsal looks at before it makes a step: data, texts, networks, run folder."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from soundseek.audio.decode import probe
from soundseek.errors import AudioError, DataError, RecipeError
from soundseek.lab.augment.captions import read_extra_captions
from soundseek.lab.augment.wordnet import WordNet
from soundseek.lab.data.manifest import Clip
from soundseek.lab.problems import Problems
from soundseek.lab.published_weights import OFFLINE_VARIABLE, WEIGHTS, find_weights, weights_folder
from soundseek.lab.recipe_files import RecipeBase
from soundseek.lab.retrieval.build import (
    build_audio_side,
    build_model,
    build_objective,
    build_tagger,
    build_text_encoder,
)
from soundseek.lab.retrieval.clips import ClipSets, clip_sets, exclusion_list, read_source
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.prepare import Say
from soundseek.lab.retrieval.recipe import OF_STAGE, Data, RetrievalRecipe, Source
from soundseek.lab.retrieval.sharing import handed_over
from soundseek.lab.retrieval.trained import load_trained
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.run_loggers import LOGGERS
from soundseek.lab.training.pairs import PairOrder
from soundseek.lab.training.settings import Optimiser, Run

_MOST_PROBED: Final = 500
# Of a translator, the package that it needs.
_TRANSLATORS: Final = {"marian": "transformers", "argos": "argostranslate"}
_LOGGERS: Final = {"tensorboard": "tensorboard", "wandb": "wandb"}
_SOME_TEXT: Final = "a dog barks while rain falls on a roof"
"""Read by text encoders while there are no captions."""


@dataclass(frozen=True)
class Standing:
    """What the run folder holds: a run of this recipe at `step` of `stage`, `before` steps behind
    it in stages before; `stage` None: nothing learnt so far."""

    stage: str | None
    step: int
    before: int


def checked_folder(
    recipe: RecipeBase, stages: Sequence[str], run_folder: Path | None, problems: Problems
) -> Standing | None:
    """What stands in the folder of a run of these stages; None: no run. Nothing is written."""
    standing = None
    if run_folder is not None:
        with problems.collecting("--out"):
            standing = _standing(recipe, stages, run_folder)
    return standing


def _standing(recipe: RecipeBase, stages: Sequence[str], run_folder: Path) -> Standing | None:
    folder = RunFolder(run_folder)
    there = folder.check(recipe)
    saved = folder.saved()
    if saved is not None:
        return Standing(saved["stage"], int(saved["progress"]["step"]), int(saved["before"]))
    handed = handed_over(run_folder)
    if handed is not None:
        return Standing(stages[stages.index(handed.stage) + 1], 0, handed.before)
    return Standing(None, 0, 0) if there else None


def checked_clips(
    name: str, recipe: RetrievalRecipe, problems: Problems, say: Say
) -> ClipSets | None:
    """The clips of a stage; None where something is missing, each of which is a problem."""
    data = plain = recipe.data
    if recipe.augment.text.p_extra > 0:
        plain = data.model_copy(update={"extra_captions": ()})
    read = partial(clip_sets, plain, recipe.seed, say)
    return checked_data(f"{name}: ", data, read, problems)


def checked_data(
    of: str, data: Data, read: Callable[[], ClipSets], problems: Problems
) -> ClipSets | None:
    """The clips that `read` makes of `data`; None where something is missing, each of which is a
    problem; `of` begins where it is."""
    lists = {one for part in _parts(data) for source in part for one in source.exclude}
    for one in sorted(lists):
        with problems.collecting(f"{of}exclude"):
            exclusion_list(one, data)
    for path in data.extra_captions:
        with problems.collecting(f"{of}data.extra_captions"):
            read_extra_captions(path)
    before = len(problems)
    try:
        return read()
    except (DataError, RecipeError) as error:
        for part, sources in zip(("train", "validation", "test"), _parts(data), strict=True):
            for source in sources:
                with problems.collecting(f"{of}data.{part}"):
                    read_source(source, data, _nothing)
        if len(problems) == before and not any(error.message == one.message for one in problems):
            problems.add(f"{of}data", error.message, error.remedy)
    return None


def unreadable(clips: Sequence[Clip]) -> tuple[int, dict[str, str]]:
    """How many clips' headers were read, and id → reason of those that have none: all, or 500
    spread over the list."""
    n = len(clips)
    chosen = range(n) if n <= _MOST_PROBED else np.linspace(0, n - 1, _MOST_PROBED).astype(int)
    found = {}
    for i in chosen:
        clip = clips[int(i)]
        if not clip.has_audio:
            found[clip.id] = "the corpus has no sound of it"
            continue
        try:
            probe(clip.path)
        except AudioError as error:
            found[clip.id] = error.message
    return len(chosen), found


def checked_texts(
    name: str, recipe: RetrievalRecipe, clips: ClipSets | None, problems: Problems
) -> list[str]:
    """WordNet and translators, where the recipe's augmentation needs them; returns notes."""
    settings, notes = recipe.augment.text, []
    if settings.p_eda * settings.p_synonym > 0:
        with problems.collecting(f"{name}: augment.text.p_synonym"):
            WordNet.find(recipe.augment.wordnet)
    if settings.p_back_translation > 0:
        package = _TRANSLATORS[recipe.augment.translator]
        kept = recipe.augment.translations
        if importlib.util.find_spec(package) is None and not (kept and Path(kept).is_file()):
            problems.add(
                f"{name}: augment.text.p_back_translation",
                f"the {recipe.augment.translator} translator needs {package}",
                "pip install 'soundseek[translate]', or set augment.text.p_back_translation=0",
            )
        texts = {text for clip in clips.train for text in clip.captions} if clips else set()
        notes.append(
            f"{name}: {len(texts):,} captions will be translated to "
            f"{', '.join(settings.languages)} and back, once ({recipe.augment.translator}; "
            f"{'kept in ' + kept if kept else 'kept in the cache'}); that is not in the estimate, "
            "and its models are not checked"
        )
    return notes


def checked_division(
    of: str, optimiser: Optimiser, devices: int, order: PairOrder, problems: Problems
) -> None:
    """Whether a batch can be shared out among processes and parts; `of` begins where that is."""
    portions = devices * optimiser.accumulate
    smallest = min(optimiser.batch, order.items)
    if portions > 1 and (smallest % portions or smallest < 2 * portions):
        problems.add(
            f"{of}optimiser.batch",
            f"{smallest} pairs cannot be divided into {portions} equal portions of two or more",
            "change optimiser.batch, optimiser.accumulate or run.devices, or train on more clips",
        )


def checked_teachers(name: str, recipe: RetrievalRecipe, problems: Problems) -> None:
    """Runs that teach a stage."""
    for place in recipe.teachers:
        if not place.startswith(OF_STAGE):
            with problems.collecting(f"{name}: teachers"):
                load_trained(Path(place))


def checked_loggers(run: Run, problems: Problems) -> None:
    """Packages of the loggers."""
    for logger in run.loggers:
        package = _LOGGERS.get(logger)
        if logger in LOGGERS and package and importlib.util.find_spec(package) is None:
            problems.add(
                "run.loggers",
                f"the logger {logger} needs {package}, which is not installed",
                f"pip install {package}, or set run.loggers=[]",
            )


def checked_model(
    recipe: RetrievalRecipe, texts: Sequence[str], problems: Problems, say: Say
) -> RetrievalModel | None:
    """The model of a recipe, its files loaded strictly; None where that is not possible. Says
    beforehand what is fetched. `texts` may be empty where data is missing."""
    there = _files_are_there(recipe, problems, say)
    if there and texts:
        try:
            model = build_model(recipe, texts)
        except (DataError, RecipeError) as error:
            alone = len(problems)
            _apart(recipe, texts, problems)
            if len(problems) == alone:
                problems.add("model", error.message, error.remedy)
            return None
        for name, stage in recipe.plain_stages():
            with problems.collecting(f"{name}: objective"):
                build_objective(stage, model)
        if recipe.audio.events is not None:
            with problems.collecting("audio.events"):
                build_tagger(recipe.audio.events, recipe.seed)
        return model
    _apart(recipe, texts or [_SOME_TEXT], problems)
    return None


def _apart(recipe: RetrievalRecipe, texts: Sequence[str], problems: Problems) -> None:
    """Each network by itself, so that the problem of one does not hide another's."""
    with problems.collecting("audio"):
        build_audio_side(recipe.audio)
    with problems.collecting("text"):
        build_text_encoder(recipe.text, texts)
    if recipe.audio.events is not None:
        with problems.collecting("audio.events"):
            build_tagger(recipe.audio.events, recipe.seed)


def _files_are_there(recipe: RetrievalRecipe, problems: Problems, say: Say) -> bool:
    """Whether the published files are there, or are fetched, which is said beforehand."""
    events = recipe.audio.events
    named = {"audio.checkpoint": recipe.audio.checkpoint}
    if events is not None:
        named["audio.events.checkpoint"] = events.checkpoint
    told_of_hub(recipe.text.model, say)
    return checked_files(named, problems, say)


def checked_files(named: Mapping[str, str | None], problems: Problems, say: Say) -> bool:
    """Whether the published files among those that a recipe names are there, or are fetched, which
    is said beforehand."""
    found = len(problems)
    for where, name in named.items():
        if name is None or name not in WEIGHTS:
            continue
        if Path(name).exists() or (weights_folder() / name).is_file():
            continue
        url = WEIGHTS[name].url
        if url is not None and not os.environ.get(OFFLINE_VARIABLE):
            say(f"fetching {name} from {url} into {weights_folder()}")
            continue
        with problems.collecting(where):
            find_weights(name, offline=True)
    return len(problems) == found


def told_of_hub(model: str | None, say: Say) -> None:
    """Say where a model of Hugging Face comes from."""
    if model is not None and not Path(model).expanduser().exists():
        say(f"{model} is no file here: it comes from the Hugging Face cache, or is fetched")


def _parts(data: Data) -> tuple[Sequence[Source], ...]:
    return (data.train, data.validation, data.test)


def _nothing(_: str) -> None:
    """What sources tell was told when all were read."""
