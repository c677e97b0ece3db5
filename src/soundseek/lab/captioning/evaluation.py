"""The captions of a run that is done, of its own clips or of others, scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from soundseek.errors import DataError
from soundseek.lab.captioning.clips import captioned_sets, with_words
from soundseek.lab.captioning.prepare import prepare_part
from soundseek.lab.captioning.scoring import captions_of
from soundseek.lab.captioning.trained import Trained, load_trained
from soundseek.lab.data.manifest import Clip
from soundseek.lab.devices import device_of
from soundseek.lab.retrieval.clips import test_clips
from soundseek.lab.retrieval.recipe import Source
from soundseek.lab.run_captions import RunCaptions, read_run_captions
from soundseek.lab.run_folder import RunFolder

Say = Callable[[str], None]


def run_captions(
    run_folder: Path,
    say: Say = print,
    sources: Sequence[Source] | None = None,
    *,
    part: str = "test",
) -> RunCaptions:
    """The captions of a part (`test` or `validation`) of a run's clips, and their references.

    Those of the test set that the run keeps are read; otherwise the model that it kept writes
    them. `sources`: another test set than the recipe's. Raises `DataError` where there are no
    clips, or no model.
    """
    if part == "test" and sources is None:
        kept = read_run_captions(run_folder)
        if kept is not None:
            return kept
    trained = load_trained(run_folder)
    recipe = trained.recipe
    model = trained.model.to(device_of("cpu" if recipe.run.device == "cpu" else "auto"))
    clips = _clips(trained, run_folder, say, sources, part)
    cache = RunFolder(run_folder).cache_for(recipe.run.cache)
    prepared = prepare_part(part, clips, recipe, model, cache, say)
    described = captions_of(model, prepared, recipe.decoding, say)
    return RunCaptions(
        {clip.id: written.text for clip, written in described},
        {clip.id: clip.captions for clip, _ in described},
    )


def _clips(
    trained: Trained, run_folder: Path, say: Say, sources: Sequence[Source] | None, part: str
) -> list[Clip]:
    recipe, data = trained.recipe, trained.recipe.data
    if part == "validation":
        return captioned_sets(recipe, say).validation
    if sources is not None:
        data = data.model_copy(update={"test": tuple(sources)})
    clips = test_clips(data, say)
    if not clips:
        raise DataError(f"{run_folder}: there is no {part} set", remedy=f"set data.{part}")
    return with_words(part, clips, recipe, say)
