"""From a recipe to its networks: random where the recipe asks for it, pretrained from files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, cast

import torch

from soundseek.errors import RecipeError
from soundseek.lab.audio_encoders import (
    AudioEncoderModule,
    build_audio_encoder,
    encoder_class,
    load,
)
from soundseek.lab.audio_encoders.panns import AUDIOSET_CLASSES
from soundseek.lab.objectives.fusing import FUSING_TERMS
from soundseek.lab.objectives.objective import Objective
from soundseek.lab.objectives.table import ModelFacts
from soundseek.lab.published_weights import WEIGHTS, find_weights
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.recipe import Audio, Events, RetrievalRecipe, Text
from soundseek.lab.retrieval.towers import AudioTower, TextTower, projection
from soundseek.lab.text_encoders import (
    FusingTextEncoder,
    TextEncoderModule,
    create_text_encoder,
    text_encoder_class,
)
from soundseek.text.normalise import normalise_caption

_NAMED = ("clap", "bundle")


def build_model(recipe: RetrievalRecipe, texts: Sequence[str]) -> RetrievalModel:
    """The model of a recipe, ready to be trained; `texts` are the training captions.

    Random weights depend on the recipe's seed alone. Raises `RecipeError` for what does not fit
    together, `DataError` for checkpoints that are missing or of another architecture.
    """
    torch.manual_seed(recipe.seed)
    audio = build_audio_side(recipe.audio)
    fusing = _fusing_options(recipe, audio.width)
    return _assembled(recipe, audio, build_text_encoder(recipe.text, texts, fusing))


def build_audio_side(audio: Audio) -> AudioEncoderModule:
    """The audio encoder of a recipe, its checkpoint loaded strictly."""
    return _weighted(audio.encoder, audio.weights, audio.checkpoint, audio.options)


def rebuild_audio_side(audio: Audio, resources: Mapping[str, Any]) -> AudioEncoderModule:
    """The audio encoder that `resources` describes, its weights to be loaded."""
    from_resources = getattr(encoder_class(audio.encoder), "from_resources", None)
    if from_resources is not None:
        return cast("AudioEncoderModule", from_resources(resources))
    return build_audio_encoder(audio.encoder, resources)


def build_text_encoder(
    text: Text, texts: Sequence[str], fusing: Mapping[str, Any] = MappingProxyType({})
) -> TextEncoderModule:
    """The text encoder of a recipe; `texts` are what it will read, `fusing` what terms that let it
    attend to sound need."""
    write = written_as(text)
    return create_text_encoder(
        text.encoder,
        model=text.model,
        weights=text.weights,
        texts=texts if write is None else [write(one) for one in texts],
        max_tokens=text.max_tokens,
        options={**fusing, **text.options},
    )


def written_as(text: Text) -> Callable[[str], str] | None:
    """How captions and queries are written before they are read; None: as they are."""
    if not (text.lowercase or text.strip_punctuation):
        return None
    return partial(
        normalise_caption, lowercase=text.lowercase, strip_punctuation=text.strip_punctuation
    )


def rebuild_model(recipe: RetrievalRecipe, resources: Mapping[str, Any]) -> RetrievalModel:
    """The model of a recipe without its pretrained files, for a state dict to be loaded into."""
    audio = rebuild_audio_side(recipe.audio, resources["audio"])
    text = text_encoder_class(recipe.text.encoder).from_resources(resources["text"])
    return _assembled(recipe, audio, text)


def resources_of(model: RetrievalModel) -> dict[str, Any]:
    """What `rebuild_model` needs, as JSON would hold it."""
    describe = getattr(model.audio.audio_encoder, "resources", None)
    return {
        "audio": describe() if describe is not None else {},
        "text": model.text.text_encoder.resources(),
    }


def build_objective(recipe: RetrievalRecipe, model: RetrievalModel) -> Objective:
    """The objective of a recipe for a model. Raises `RecipeError` with every term's problem."""
    text = model.text.text_encoder
    dimension = recipe.space.dimension or text.width
    facts = ModelFacts(
        audio_width=model.audio.audio_encoder.width,
        text_width=text.width,
        dimension=dimension,
        text_encoder=cast("FusingTextEncoder", text) if hasattr(text, "fuse") else None,
    )
    torch.manual_seed(recipe.seed)
    terms = [(term.term, term.weight, term.options) for term in recipe.objective]
    return Objective(terms, model_facts=facts)


def build_tagger(events: Events, seed: int) -> AudioEncoderModule:
    """The frozen tagger of a sound-event vector, in eval mode; random weights depend on `seed`
    alone."""
    torch.manual_seed(seed)
    tagger = _weighted(events.tagger, events.weights, events.checkpoint, events.options)
    cast("torch.nn.Module", tagger).eval()
    return tagger


def window_samples(audio: Audio, encoder: AudioEncoderModule) -> int | None:
    """The length of the windows that the encoder hears; None: whole clips."""
    return None if audio.window_s is None else round(audio.window_s * encoder.sample_rate)


def _assembled(
    recipe: RetrievalRecipe, audio: AudioEncoderModule, text: TextEncoderModule
) -> RetrievalModel:
    width = _width(recipe.audio, audio)
    audio_projection = projection(
        width, recipe.audio.projection, recipe.space.dimension, recipe.audio.dropout
    )
    text_projection = projection(
        text.width, recipe.text.projection, recipe.space.dimension, recipe.text.dropout
    )
    if recipe.space.dimension is None and width != text.width:
        raise RecipeError(
            f"sound of width {width} and text of width {text.width} cannot be compared",
            remedy="set space.dimension and projection: [] on the sides that must change",
        )
    return RetrievalModel(
        AudioTower(
            audio,
            projected=audio_projection,
            window_samples=window_samples(recipe.audio, audio),
            pooled=recipe.audio.pooled,
            frozen=recipe.audio.frozen,
        ),
        TextTower(
            text,
            projected=text_projection,
            frozen=recipe.text.frozen,
            written=written_as(recipe.text),
        ),
        normalise=recipe.space.normalise,
    )


def _width(audio: Audio, encoder: AudioEncoderModule) -> int:
    width = encoder.width
    if audio.pooled == "embedding":
        width = int(getattr(encoder, "embedding_width", width))
    if audio.events is not None:
        width += tagger_classes(audio.events)
    return width


def tagger_classes(events: Events) -> int:
    """How many classes a tagger has."""
    own = getattr(encoder_class(events.tagger), "CLASSES", AUDIOSET_CLASSES)
    return int(events.options.get("classes", own))


def _weighted(
    name: str, weights: str, checkpoint: str | None, options: Mapping[str, Any]
) -> AudioEncoderModule:
    # Files inside an encoder may be published ones too.
    options = {
        option: find_weights(value) if option.endswith("_checkpoint") and value else value
        for option, value in options.items()
    }
    if weights == "random":
        return build_audio_encoder(name, options)
    if checkpoint is None:
        raise RecipeError(
            f"{name} is to be pretrained, and no checkpoint is named",
            remedy="set its checkpoint=FILE, or weights=random to start from nothing",
        )
    # What these are loaded from has a name, which is no file of ours.
    published = name not in _NAMED or checkpoint in WEIGHTS
    place = find_weights(checkpoint) if published else checkpoint
    return load(name, checkpoint=place, options=options)


def _fusing_options(recipe: RetrievalRecipe, audio_width: int) -> dict[str, Any]:
    stages = [stage for _, stage in recipe.plain_stages()]
    fuses = any(term.term in FUSING_TERMS for stage in stages for term in stage.objective)
    return {"cross_attention": True, "audio_width": audio_width} if fuses else {}
