"""Similarities of a run that is done, on its own test or validation set or on another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from soundseek.errors import DataError
from soundseek.lab.devices import device_of
from soundseek.lab.retrieval.clips import clip_sets, test_clips
from soundseek.lab.retrieval.prepare import Part, Say, prepare_part
from soundseek.lab.retrieval.recipe import Source
from soundseek.lab.retrieval.report import similarities_of
from soundseek.lab.retrieval.trained import Trained, load_trained
from soundseek.lab.similarities import Similarities


def run_similarities(
    run_folder: Path, say: Say, sources: Sequence[Source] | None = None, *, part: str = "test"
) -> Similarities:
    """Every caption of a part (`test` or `validation`) against every clip of it, by the model that
    the run kept.

    `sources`: another test set than the recipe's. Raises `DataError` where there are no clips.
    """
    trained = load_trained(run_folder)
    trained.model.to(listening_device(trained))
    prepared = chosen_part(trained, run_folder, say, sources, part=part)
    return similarities_of(trained.model, trained.recipe, prepared)


def chosen_part(
    trained: Trained,
    run_folder: Path,
    say: Say,
    sources: Sequence[Source] | None = None,
    *,
    part: str = "test",
) -> Part:
    """The clips that `run_similarities` is about, decoded."""
    data, seed = trained.recipe.data, trained.recipe.seed
    if sources is not None:
        data = data.model_copy(update={"test": tuple(sources)})
    if part == "validation" and sources is None:
        clips = clip_sets(data, seed, say).validation
    else:
        clips = test_clips(data, say)
    if not clips:
        raise DataError(f"{run_folder}: there is no {part} set", remedy=f"set data.{part}")
    place = cache_of(trained, run_folder)
    return prepare_part(part, clips, trained.recipe, trained.model, place, say)


def listening_device(trained: Trained) -> torch.device:
    """Where a trained model listens: on what is here, whatever it was trained on, but for runs that
    were told to stay on the processor."""
    return device_of("cpu" if trained.recipe.run.device == "cpu" else "auto")


def cache_of(trained: Trained, run_folder: Path) -> Path:
    """Where a run keeps what it decoded."""
    cache = trained.recipe.run.cache
    return Path(cache) if cache else run_folder / "cache"
