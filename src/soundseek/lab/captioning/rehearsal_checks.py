"""What a rehearsal of a captioner looks at before it makes a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from soundseek.errors import DataError, RecipeError, SoundseekError
from soundseek.lab.captioning.build import build_encoder, build_event_tagger, build_model
from soundseek.lab.captioning.clips import captioned_sets
from soundseek.lab.captioning.decoding import allowed_words
from soundseek.lab.captioning.model import CaptioningModel
from soundseek.lab.captioning.network import build_network
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.captioning.texts import TextItems, text_items
from soundseek.lab.captioning.tokens import CaptionTokens, caption_tokens
from soundseek.lab.captioning.words import read_words
from soundseek.lab.data.texts import read_captions_csv
from soundseek.lab.problems import Problems
from soundseek.lab.retrieval.clips import ClipSets
from soundseek.lab.retrieval.prepare import Say
from soundseek.lab.retrieval.rehearsal_checks import checked_data, checked_files, told_of_hub
from soundseek.metrics.captions.java import INSTALL_JAVA, find_java, tools_folder
from soundseek.metrics.captions.spice import no_spice

_SOME_TEXT = "a dog barks while rain falls on a roof"
"""What tokens are learnt from while there are no captions."""


class Networks(NamedTuple):
    """The model of a recipe, and the rate at which a tagger of events hears, where there is one."""

    model: CaptioningModel
    tagger_rate: int | None


def checked_clips(recipe: CaptioningRecipe, problems: Problems, say: Say) -> ClipSets | None:
    """The recipe's clips; None where something is missing, each of which is a problem."""
    return checked_data("", recipe.data, partial(captioned_sets, recipe, say), problems)


def checked_texts(recipe: CaptioningRecipe, problems: Problems) -> TextItems | None:
    """The captions without sounds; None where a file of them cannot be read."""
    before = len(problems)
    for name in () if recipe.texts is None else recipe.texts.files:
        with problems.collecting("texts.files"):
            read_captions_csv(Path(recipe.data.folder) / name)
    if len(problems) == before:
        with problems.collecting("texts.files"):
            return text_items(recipe)
    return None


def checked_model(
    recipe: CaptioningRecipe, captions: Sequence[str], problems: Problems, say: Say
) -> Networks | None:
    """The networks of a recipe, its files loaded strictly; None where that is not possible. Says
    beforehand what is fetched. `captions` may be empty where data is missing."""
    audio = recipe.audio
    named = {"audio.checkpoint": audio.checkpoint}
    options = {
        f"audio.options.{name}": value
        for name, value in audio.options.items()
        if name.endswith("_checkpoint")
    }
    if audio.events is not None:
        named["audio.events.checkpoint"] = audio.events.checkpoint
    for model in dict.fromkeys((recipe.text.tokenizer, recipe.network.model)):
        told_of_hub(model, say)
    if checked_files({**named, **options}, problems, say) and captions:
        try:
            made = build_model(recipe, captions)
        except (DataError, RecipeError) as error:
            before = len(problems)
            _apart(recipe, captions, problems)
            if len(problems) == before:
                problems.add("model", error.message, error.remedy)
            return None
        tagger = None
        with problems.collecting("audio.events"):
            tagger = build_event_tagger(recipe)
        with problems.collecting("decoding.words"):
            allowed_words(made.captioner, recipe.decoding)
        return Networks(made, None if tagger is None else tagger.sample_rate)
    _apart(recipe, captions or [_SOME_TEXT], problems)
    return None


def missing_tools(recipe: CaptioningRecipe) -> Iterator[str]:
    """Notes on figures of the test set that there will not be."""
    if not recipe.data.test:
        return
    try:
        tools_folder()
    except SoundseekError as error:
        yield f"there will be captions of the test clips and no figures: {error.message}: " + str(
            error.remedy
        )
        return
    java = find_java()
    if java is None:
        yield f"there will be no METEOR: it needs Java: {INSTALL_JAVA}"
    reason = no_spice(None, java)
    if reason is not None:
        yield (
            f"there will be neither SPICE nor SPIDEr: {reason.partition(':')[0]}; see "
            "soundseek evaluate captions --help"
        )


def _apart(recipe: CaptioningRecipe, captions: Sequence[str], problems: Problems) -> None:
    """Each network by itself, so that the problem of one does not hide another's."""
    with problems.collecting("audio"):
        build_encoder(recipe)
    with problems.collecting("audio.events"):
        build_event_tagger(recipe)
    tokens: CaptionTokens | None = None
    with problems.collecting("text.tokenizer"):
        tokens = caption_tokens(recipe.text, captions)
    with problems.collecting("network.model"):
        # Whatever the tokens are, the network's own files can be looked for.
        learnt = recipe.text.model_copy(update={"tokenizer": None})
        build_network(recipe.network, tokens or caption_tokens(learnt, captions))
    if recipe.decoding.words is not None:
        with problems.collecting("decoding.words"):
            read_words(Path(recipe.decoding.words))
