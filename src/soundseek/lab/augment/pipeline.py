"""All augmentations of training behind two settings: one for text, one for audio.

The caller gives every item a generator seeded by (seed, epoch, index) and every batch one seeded by
(seed, epoch, batch): what happens to an item depends on nothing else, and a resumed run hears and
reads the same. Where one generator serves an item's sound and its text, draw for the sound first:
what a text draws depends on its words. Nothing here is for evaluation.

Order as in the CP-JKU 2022 study: gain on the waveform, Freq-MixStyle and SpecAugment on the
spectrogram; back translation, then EDA on the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from soundseek.errors import DataError
from soundseek.lab.augment.back_translation import apply_variant, draw_variant
from soundseek.lab.augment.eda import Thesaurus, apply_eda, draw_eda
from soundseek.lab.augment.mixstyle import MixStylePlan, apply_mixstyle, draw_mixstyle
from soundseek.lab.augment.mixup import PairMixPlan, draw_pairs
from soundseek.lab.augment.settings import AudioAugment, TextAugment
from soundseek.lab.augment.spectrogram import StripePlan, apply_stripes, draw_stripes
from soundseek.lab.augment.waveform import WaveformPlan, apply_waveform, draw_waveform


@dataclass(frozen=True, kw_only=True)
class TextResources:
    """What the text augmentations need besides their settings.

    Attributes:
        variants: caption → language → back translation, as `back_translated` gives them.
        vocabulary: words for insertions, as `eda.vocabulary_of` gives them.
        thesaurus: synonyms, such as `wordnet.WordNet`.
    """

    variants: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    vocabulary: Sequence[str] = ()
    thesaurus: Thesaurus | None = None


@dataclass(frozen=True)
class AudioPlan:
    """What happens to one item."""

    waveform: WaveformPlan
    stripes: StripePlan


@dataclass(frozen=True)
class BatchPlan:
    """What happens between the items of one batch."""

    mixstyle: MixStylePlan
    pairs: PairMixPlan


def check_resources(settings: TextAugment, resources: TextResources) -> None:
    """Raise `DataError` naming everything that `settings` ask for and `resources` lack."""
    lacking = []
    if settings.p_back_translation > 0 and not resources.variants:
        lacking.append("p_back_translation needs back translations (variants)")
    if settings.p_eda * settings.p_insert > 0 and not resources.vocabulary:
        lacking.append("p_insert needs a vocabulary")
    if settings.p_eda * settings.p_synonym > 0 and resources.thesaurus is None:
        lacking.append("p_synonym needs a thesaurus, such as WordNet")
    if lacking:
        raise DataError(
            f"text augmentation: {'; '.join(lacking)}",
            remedy="prepare them, or set these probabilities to 0",
        )


def text_for(
    caption: str,
    settings: TextAugment,
    rng: np.random.Generator,
    resources: TextResources,
    *,
    extra: Sequence[str] = (),
) -> str:
    """The caption as one training item reads it: extra caption, back translation, then EDA.

    `extra` are further captions of the same clip. A caption that has words never loses all.
    """
    text = apply_variant(caption, draw_variant(rng, settings.p_extra), extra)
    pick = draw_variant(rng, settings.p_back_translation)
    known = resources.variants.get(text, {})
    text = apply_variant(text, pick, [known[way] for way in settings.languages if way in known])
    plan = draw_eda(rng, len(text.split()), settings.eda)
    return apply_eda(text, plan, vocabulary=resources.vocabulary, thesaurus=resources.thesaurus)


def draw_audio(settings: AudioAugment, rng: np.random.Generator) -> AudioPlan:
    """Draw one item's plan; it fits a sound of any length."""
    return AudioPlan(draw_waveform(rng, settings.waveform), draw_stripes(rng, settings.stripes))


def draw_batch(
    settings: AudioAugment,
    rng: np.random.Generator,
    batch: int,
    groups: Sequence[int] | None = None,
) -> BatchPlan:
    """Draw one batch's plan; `groups`: which items are of one clip and not mixed up together."""
    return BatchPlan(
        draw_mixstyle(
            rng,
            batch,
            probability=settings.p_mixstyle,
            alpha=settings.mixstyle_alpha,
            per=settings.mixstyle_per,
            own_weighs_more=settings.mixstyle_own_weighs_more,
        ),
        draw_pairs(
            rng,
            batch,
            share=settings.mixup_share,
            alpha=settings.mixup_alpha,
            groups=groups,
        ),
    )


def waveform_for(
    waveform: NDArray[np.float32], settings: AudioAugment, plan: AudioPlan, sample_rate: int
) -> NDArray[np.float32]:
    """The sound as one training item hears it: crop, silenced stretches, gain. Mono float32."""
    return apply_waveform(waveform, plan.waveform, settings.waveform, sample_rate)


def features_for(
    features: Tensor,
    settings: AudioAugment,
    plans: Sequence[AudioPlan],
    batch_plan: BatchPlan,
    *,
    lengths: Tensor | None = None,
) -> Tensor:
    """The spectrograms as training sees them: Freq-MixStyle, then SpecAugment.

    Args:
        features: `[batch, frames, bands]` or `[batch, channels, frames, bands]`; left as it is.
        plans: one an item.
        batch_plan: its `pairs` are not applied here: they mix features and words alike, with
            `mixup.mix_features` and `mixup.mix_words`.
        lengths: `[batch]`, the valid frames of each item (None: all).
    """
    if settings.p_mixstyle > 0:
        features = apply_mixstyle(features, batch_plan.mixstyle, lengths=lengths)
    return apply_stripes(
        features,
        [plan.stripes for plan in plans],
        settings.stripes,
        lengths=lengths,
        value=settings.spec_value,
    )
