"""What training needs before its first step: clips decoded, captions' resources, event vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundseek.lab.augment.back_translation import TranslationCache, back_translated
from soundseek.lab.augment.eda import vocabulary_of
from soundseek.lab.augment.pipeline import TextResources, check_resources
from soundseek.lab.augment.translators import ArgosTranslator, MarianTranslator
from soundseek.lab.augment.wordnet import WordNet
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import Waveforms
from soundseek.lab.retrieval.batches import Sounds
from soundseek.lab.retrieval.clips import ClipSets
from soundseek.lab.retrieval.events import event_vectors
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.recipe import Augment, RetrievalRecipe
from soundseek.lab.training.decoded import decoded_part

_Floats = NDArray[np.float32]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """Clips of one split, decoded, and their sound-event vectors where the recipe has them.

    `unreadable`: id → reason of clips that were left out when they were decoded.
    """

    sounds: Sounds
    events: _Floats | None
    unreadable: Mapping[str, str] = field(default_factory=dict)

    @property
    def left_out(self) -> dict[str, str]:
        """Id → reason of clips that could not be read, up to now."""
        return {**self.unreadable, **self.store.failures}

    @property
    def clips(self) -> list[Clip]:
        """The clips."""
        return list(self.sounds.clips)

    @property
    def store(self) -> Waveforms:
        """Their sounds."""
        return self.sounds.store


def prepare_part(
    name: str,
    clips: list[Clip],
    recipe: RetrievalRecipe,
    model: RetrievalModel,
    cache: Path,
    say: Say,
) -> Part:
    """Decode a part once, unless the recipe decodes when needed; clips that cannot be read are
    named and left out.

    Raises `DataError` when none can be read.
    """
    encoder = model.audio.audio_encoder
    clips, store, unreadable = decoded_part(
        name, clips, encoder.sample_rate, recipe.run, cache, say
    )
    least = model.audio.least_samples
    short = sum(store.length(i) < least for i in range(len(clips)))
    if short:
        say(f"{short} clips of {name} are shorter than the encoder's {least} samples: padded")
    sounds = Sounds.of(
        clips,
        store,
        least=least,
        most=round(recipe.audio.max_s * encoder.sample_rate),
    )
    if recipe.audio.events is None:
        return Part(sounds, None, unreadable)
    say(f"sound-event vectors of {name}")
    events = event_vectors(clips, recipe.audio.events, cache, recipe.audio.max_s, seed=recipe.seed)
    return Part(sounds, events, unreadable)


def text_resources(augment: Augment, clips: ClipSets, cache: Path, say: Say) -> TextResources:
    """What the recipe's text augmentation needs. Raises `DataError` for what is not there."""
    captions = [caption for clip in clips.train for caption in clip.captions]
    settings = augment.text
    variants = {}
    if settings.p_back_translation > 0:
        translator = ArgosTranslator() if augment.translator == "argos" else MarianTranslator()
        place = Path(augment.translations) if augment.translations else cache / "translations.db"
        say("translating the captions there and back (once)")
        variants = back_translated(
            captions, translator, TranslationCache(place), languages=settings.languages
        )
    resources = TextResources(
        variants=variants,
        vocabulary=vocabulary_of(captions) if settings.p_eda * settings.p_insert > 0 else (),
        thesaurus=(
            WordNet.find(augment.wordnet) if settings.p_eda * settings.p_synonym > 0 else None
        ),
    )
    check_resources(settings, resources)
    return resources
