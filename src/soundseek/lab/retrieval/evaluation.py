"""Figures of a run that is done, on its own test set or on another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from soundseek.errors import DataError
from soundseek.lab.retrieval.clips import test_clips
from soundseek.lab.retrieval.prepare import Say, prepare_part
from soundseek.lab.retrieval.recipe import Source
from soundseek.lab.retrieval.report import similarities_of
from soundseek.lab.retrieval.scores import Similarities
from soundseek.lab.retrieval.trained import load_trained


def run_similarities(
    run_folder: Path, say: Say, sources: Sequence[Source] | None = None
) -> Similarities:
    """Every caption of the test set against every clip, by the model that the run kept.

    `sources`: another test set than the recipe's. Raises `DataError` where there are no clips.
    """
    trained = load_trained(run_folder)
    data = trained.recipe.data
    if sources is not None:
        data = data.model_copy(update={"test": tuple(sources)})
    clips = test_clips(data, trained.recipe.seed, say)
    if not clips:
        raise DataError(f"{run_folder}: there is no test set", remedy="set data.test")
    cache = trained.recipe.run.cache
    place = Path(cache) if cache else run_folder / "cache"
    part = prepare_part("test", clips, trained.recipe, trained.model, place, say)
    return similarities_of(trained.model, trained.recipe, part)
