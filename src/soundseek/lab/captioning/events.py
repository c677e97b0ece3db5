"""What a tagger hears at each step of a sound, beside what the encoder hears there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from soundseek.lab.audio_encoders.events import at_steps, step_probabilities
from soundseek.lab.captioning.build import build_event_tagger
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import open_store
from soundseek.lab.retrieval.embedding import at_least
from soundseek.lab.retrieval.sequences import SoundSequences
from soundseek.lab.retrieval.waveforms import padded


@torch.no_grad()
def event_steps(
    clips: Sequence[Clip],
    heard: SoundSequences,
    recipe: CaptioningRecipe,
    seconds_per_step: float,
    cache: Path,
) -> SoundSequences:
    """Class probabilities of the recipe's tagger, in the steps of `heard`, float16; the file is
    made anew by each run, in `cache`.

    Raises `RecipeError` for a tagger without classes of steps.
    """
    tagger = build_event_tagger(recipe)
    assert tagger is not None
    store = open_store(clips, tagger.sample_rate, cache)
    most = round(recipe.audio.max_s * tagger.sample_rate)
    found = np.zeros((0, 0), np.float16)
    for clip in range(len(clips)):
        # A second is what taggers of patches and of frames alike take.
        sound = at_least(store.read(clip, 0, most), tagger.sample_rate)
        waveforms, _ = padded([sound])
        probabilities, mask = step_probabilities(tagger, tagger.features(waveforms))
        steps, start = int(heard.counts[clip]), int(heard.starts[clip])
        events = at_steps(probabilities, tagger.seconds_per_step, steps, seconds_per_step, mask)
        if not len(found):
            found = np.zeros((len(heard.steps), events.shape[2]), np.float16)
        found[start : start + steps] = events[0].numpy()
    return SoundSequences(found, heard.starts, heard.counts)
