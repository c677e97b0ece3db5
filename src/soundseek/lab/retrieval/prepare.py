"""What training needs before its first step: clips decoded, captions' resources, event vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundseek.lab.augment.back_translation import TranslationCache, back_translated
from soundseek.lab.augment.eda import vocabulary_of
from soundseek.lab.augment.pipeline import TextResources, check_resources
from soundseek.lab.augment.translators import ArgosTranslator, MarianTranslator
from soundseek.lab.augment.wordnet import WordNet
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import FileWaveforms, Waveforms, WaveformStore, open_store
from soundseek.lab.retrieval.batches import Sounds
from soundseek.lab.retrieval.clips import ClipSets
from soundseek.lab.retrieval.events import event_vectors
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.recipe import Augment, RetrievalRecipe

_Floats = NDArray[np.float32]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """Clips of one split, decoded, and their sound-event vectors where the recipe has them."""

    sounds: Sounds
    events: _Floats | None

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
    store: Waveforms
    if recipe.run.decode == "when_needed":
        store = FileWaveforms(clips, encoder.sample_rate)
    else:
        clips, store = _decoded(name, clips, encoder.sample_rate, cache, say)
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
        return Part(sounds, None)
    say(f"sound-event vectors of {name}")
    events = event_vectors(clips, recipe.audio.events, cache, recipe.audio.max_s, seed=recipe.seed)
    return Part(sounds, events)


def _decoded(
    name: str, clips: list[Clip], sample_rate: int, cache: Path, say: Say
) -> tuple[list[Clip], WaveformStore]:
    say(f"decoding {len(clips)} clips of {name} (once)")
    store = open_store(clips, sample_rate, cache)
    if not store.failures:
        return clips, store
    for clip_id, reason in store.failures.items():
        say(f"left out {clip_id}: {reason}")
    say(f"{len(store.failures)} of {len(clips)} clips of {name} are left out")
    return store.without_failures(clips)


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
