"""Similarities of a run that is done, on its own test or validation set or on another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from soundseek.errors import DataError
from soundseek.lab.retrieval.clips import clip_sets, test_clips
from soundseek.lab.retrieval.prepare import Say, prepare_part
from soundseek.lab.retrieval.recipe import Source
from soundseek.lab.retrieval.report import similarities_of
from soundseek.lab.retrieval.trained import load_trained
from soundseek.lab.similarities import Similarities


def run_similarities(
    run_folder: Path, say: Say, sources: Sequence[Source] | None = None, *, part: str = "test"
) -> Similarities:
    """Every caption of a part (`test` or `validation`) against every clip of it, by the model that
    the run kept.

    `sources`: another test set than the recipe's. Raises `DataError` where there are no clips.
    """
    trained = load_trained(run_folder)
    data, seed = trained.recipe.data, trained.recipe.seed
    if sources is not None:
        data = data.model_copy(update={"test": tuple(sources)})
    if part == "validation" and sources is None:
        clips = clip_sets(data, seed, say).validation
    else:
        clips = test_clips(data, seed, say)
    if not clips:
        raise DataError(f"{run_folder}: there is no {part} set", remedy=f"set data.{part}")
    cache = trained.recipe.run.cache
    place = Path(cache) if cache else run_folder / "cache"
    prepared = prepare_part(part, clips, trained.recipe, trained.model, place, say)
    return similarities_of(trained.model, trained.recipe, prepared)
