"""From a recipe to its networks: random where the recipe asks for it, pretrained from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from soundseek.lab.audio_encoders import AudioEncoderModule
from soundseek.lab.captioning.captioner import Captioner
from soundseek.lab.captioning.model import CaptioningModel
from soundseek.lab.captioning.network import build_network
from soundseek.lab.captioning.recipe import CaptionAudio, CaptioningRecipe
from soundseek.lab.captioning.tokens import caption_tokens
from soundseek.lab.retrieval.build import (
    build_audio_side,
    build_tagger,
    rebuild_audio_side,
    tagger_classes,
    window_samples,
)
from soundseek.lab.retrieval.recipe import Audio, Events
from soundseek.lab.retrieval.towers import AudioTower


def build_model(recipe: CaptioningRecipe, captions: Sequence[str] = ()) -> CaptioningModel:
    """The model of a recipe, ready to be trained; `captions` are those of training, from which
    tokens may be learnt.

    Random weights depend on the recipe's seed alone. Raises `RecipeError` for what does not fit
    together, `DataError` for files that are missing or of another architecture.
    """
    torch.manual_seed(recipe.seed)
    encoder = build_encoder(recipe)
    return CaptioningModel(
        _tower(recipe, encoder),
        build_captioner(recipe, captions, width=sound_width(recipe, encoder.width)),
    )


def build_encoder(recipe: CaptioningRecipe) -> AudioEncoderModule:
    """What hears, its checkpoint loaded strictly; random weights come from torch's generator."""
    return build_audio_side(_as_retrieval(recipe.audio))


def build_captioner(recipe: CaptioningRecipe, captions: Sequence[str], *, width: int) -> Captioner:
    """The captioner of a recipe for steps of sound `width` wide, see `sound_width`; random weights
    depend on the recipe's seed alone."""
    tokens = caption_tokens(recipe.text, captions)
    torch.manual_seed(recipe.seed)
    return Captioner(
        build_network(recipe.network, tokens),
        tokens,
        width=width,
        adapter_layers=recipe.adapter.layers,
        adapter_hidden=recipe.adapter.hidden,
        hidden=recipe.network.hidden,
    )


def sound_width(recipe: CaptioningRecipe, encoder_width: int) -> int:
    """The width of a step of sound: the encoder's, and a class each of the tagger, if any."""
    return encoder_width + event_classes(recipe)


def event_classes(recipe: CaptioningRecipe) -> int:
    """How many classes the tagger of `audio.events` has; 0 where there is none."""
    return 0 if recipe.audio.events is None else tagger_classes(_tagger_of(recipe.audio))


def build_event_tagger(recipe: CaptioningRecipe) -> AudioEncoderModule | None:
    """The frozen tagger of `audio.events`, in eval mode; None where there is none."""
    if recipe.audio.events is None:
        return None
    return build_tagger(_tagger_of(recipe.audio), recipe.seed)


def rebuild_model(recipe: CaptioningRecipe, resources: Mapping[str, Any]) -> CaptioningModel:
    """The model of a recipe without its pretrained files, for a state dict to be loaded into."""
    encoder = rebuild_audio_side(_as_retrieval(recipe.audio), resources["audio"])
    return CaptioningModel(
        _tower(recipe, encoder), Captioner.from_resources(resources["captioner"])
    )


def resources_of(model: CaptioningModel) -> dict[str, Any]:
    """What `rebuild_model` needs, as JSON would hold it."""
    describe = getattr(model.audio.audio_encoder, "resources", None)
    return {
        "audio": describe() if describe is not None else {},
        "captioner": model.captioner.resources(),
    }


def _tower(recipe: CaptioningRecipe, encoder: AudioEncoderModule) -> AudioTower:
    return AudioTower(
        encoder,
        projected=nn.Identity(),
        window_samples=window_samples(_as_retrieval(recipe.audio), encoder),
        frozen=recipe.audio.frozen,
    )


def _as_retrieval(audio: CaptionAudio) -> Audio:
    """The same encoder as a retrieval recipe names it."""
    return Audio(**audio.model_dump(exclude={"events", "noise"}), projection=None)


def _tagger_of(audio: CaptionAudio) -> Events:
    assert audio.events is not None
    return Events(**audio.events.model_dump(exclude={"form"}))
