"""What a tagger hears at each step of a sound, beside what the encoder hears there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch

from soundseek.lab.audio_encoders.events import at_steps, step_probabilities
from soundseek.lab.captioning.build import build_event_tagger, event_classes
from soundseek.lab.captioning.heard import Progress, identity, kept_once, weights_mark
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.data.manifest import Clip
from soundseek.lab.data.waveforms import FileWaveforms, Waveforms, open_store
from soundseek.lab.retrieval.embedding import at_least
from soundseek.lab.retrieval.sequences import SoundSequences
from soundseek.lab.retrieval.waveforms import padded


def event_steps(
    clips: Sequence[Clip],
    heard: SoundSequences,
    recipe: CaptioningRecipe,
    seconds_per_step: float,
    cache: Path,
    device: torch.device,
    on_progress: Progress | None = None,
) -> SoundSequences:
    """Class probabilities of the recipe's tagger, in the steps of `heard`, float16; read from
    `cache` where a run with the same tagger and steps left them.

    Raises `RecipeError` for a tagger without classes of steps.
    """
    tagger, events = build_event_tagger(recipe), recipe.audio.events
    assert tagger is not None
    assert events is not None
    network = cast("torch.nn.Module", tagger)
    network.to(device)
    classes, most = event_classes(recipe), round(recipe.audio.max_s * tagger.sample_rate)

    @torch.no_grad()
    def listen(file: Path) -> tuple[SoundSequences, Mapping[str, str]]:
        store = _store(clips, recipe, tagger.sample_rate, cache)
        with file.open("wb") as target:
            for clip, count in enumerate(heard.counts.tolist()):
                # A second is what taggers of patches and of frames alike take.
                sound = at_least(store.read(clip, 0, most), tagger.sample_rate)
                waveforms, _ = padded([sound])
                found, mask = step_probabilities(tagger, tagger.features(waveforms.to(device)))
                own = tagger.seconds_per_step
                values = at_steps(found.cpu(), own, count, seconds_per_step, mask.cpu())
                target.write(values[0].numpy().astype(np.float16).tobytes())
                if on_progress is not None:
                    on_progress(clip + 1, len(clips))
        starts = np.cumsum(heard.counts) - heard.counts
        shape = (int(heard.counts.sum()), classes)
        steps = np.memmap(file, np.float16, "r", shape=shape)
        return SoundSequences(steps, starts, heard.counts), {}

    what = {
        "events": events.model_dump(exclude={"form"}),
        "weights": weights_mark(network),
        "max_s": recipe.audio.max_s,
        "seconds_per_step": seconds_per_step,
        "counts": hashlib.sha256(heard.counts.astype(np.int64).tobytes()).hexdigest(),
    }
    found, _ = kept_once(cache / f"events-{identity(clips, what)}.json", classes, listen)
    return found


def _store(
    clips: Sequence[Clip], recipe: CaptioningRecipe, sample_rate: int, cache: Path
) -> Waveforms:
    if recipe.run.decode == "when_needed":
        return FileWaveforms(clips, sample_rate)
    return open_store(clips, sample_rate, cache, workers=recipe.run.workers)
