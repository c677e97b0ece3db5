"""The clips of a captioning recipe: those of its data, without captions that hold no word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from soundseek.errors import DataError
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.data.manifest import Clip
from soundseek.lab.retrieval.clips import ClipSets, clip_sets
from soundseek.text.normalise import normalise_caption

Say = Callable[[str], None]


def captioned_sets(recipe: CaptioningRecipe, say: Say) -> ClipSets:
    """The clips of each part. Captions that are punctuation alone, and clips without any other, are
    left out, which is said.

    Raises `DataError` for missing corpora, and for parts to learn from without clips.
    """
    sets = clip_sets(recipe.data, recipe.seed, say)
    return ClipSets(
        with_words("train", sets.train, recipe, say),
        with_words("validation", sets.validation, recipe, say),
        with_words("test", sets.test, recipe, say),
    )


def has_words(caption: str, recipe: CaptioningRecipe) -> bool:
    """Whether anything is left of a caption as the recipe writes it."""
    text = recipe.text
    return bool(
        normalise_caption(
            caption, lowercase=text.lowercase, strip_punctuation=text.strip_punctuation
        )
    )


def with_words(name: str, clips: list[Clip], recipe: CaptioningRecipe, say: Say) -> list[Clip]:
    """The clips of the part `name` with their captions that hold words; those that have any.

    Raises `DataError` where none is left.
    """
    found, lacking = [], 0
    for clip in clips:
        captions = tuple(one for one in clip.captions if has_words(one, recipe))
        lacking += len(clip.captions) - len(captions)
        if captions:
            found.append(replace(clip, captions=captions))
    if lacking:
        say(f"{name}: {lacking} captions hold no word and are left out")
    if clips and not found:
        raise DataError(
            f"no caption in data.{name} holds a word", remedy="give captions that can be read"
        )
    return found
