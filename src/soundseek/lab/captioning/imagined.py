"""Sounds and captions as long as a recipe lets them be, or as long as they are: what a step costs,
without decoding or hearing more than a few seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from soundseek.lab.captioning.build import event_classes
from soundseek.lab.captioning.model import CaptioningModel
from soundseek.lab.captioning.prepare import Part
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.captioning.texts import TextItems
from soundseek.lab.data.manifest import Clip
from soundseek.lab.retrieval.batches import Sounds
from soundseek.lab.retrieval.imagined import ImaginedSounds, with_long_captions
from soundseek.lab.retrieval.sequences import SoundSequences

NO_TEXTS: Final = TextItems([], np.zeros((0, 2), np.int64), [])


@dataclass(frozen=True)
class ImaginedPart:
    """`part`: noise in the place of the clips. `steps`: of a sound as long as any, where a frozen
    encoder hears it."""

    part: Part
    sounds: ImaginedSounds
    steps: int
    plain: list[Clip]
    long: list[Clip]
    own: NDArray[np.int64]

    def lengthen(self, longest: bool) -> None:
        """Let all sounds and captions be as long as the longest, or as they are."""
        self.sounds.longest = longest
        # What makes lessons holds this very list and array.
        self.part.clips[:] = self.long if longest else self.plain
        if self.part.heard is not None:
            heard = len(self.part.clips) - self.part.texts
            self.part.heard.counts[:heard] = self.steps if longest else self.own[:heard]


def imagined_part(
    clips: Sequence[Clip],
    recipe: CaptioningRecipe,
    model: CaptioningModel,
    items: TextItems = NO_TEXTS,
) -> ImaginedPart:
    """A part of these clips, `items` behind them, that nothing was decoded for."""
    encoder, tower = model.audio.audio_encoder, model.audio
    rate = encoder.sample_rate
    most = max(round(recipe.audio.max_s * rate), tower.least_samples)
    lengths = [round(clip.duration_s * rate) for clip in clips]
    sounds = ImaginedSounds(lengths, rate, most, longest=False)
    plain = [*clips, *items.clips]
    # In the stead of texts is what is not asked for.
    heard_of = Sounds.of(listed := list(plain), sounds, least=tower.least_samples, most=most)
    if not recipe.audio.frozen:
        part = Part(listed, heard_of, None)
        return ImaginedPart(part, sounds, 0, plain, with_long_captions(plain), np.zeros(0, int))
    steps = _steps_of(model, sounds, most)
    shares = np.minimum(np.array(lengths, np.float64) / most, 1.0)
    own = np.concatenate([np.ceil(shares * steps).clip(1), items.counts]).astype(np.int64)
    counts, starts = own.copy(), np.zeros(len(own), np.int64)
    longest = max(steps, 2)
    events = None
    if recipe.audio.events is not None:
        events = SoundSequences(_noise(longest, event_classes(recipe)), starts, counts)
    heard = SoundSequences(_noise(longest, encoder.width), starts, counts)
    form = "probabilities" if recipe.audio.events is None else recipe.audio.events.form
    part = Part(listed, heard_of, heard, events, form, texts=len(items.clips))
    return ImaginedPart(part, sounds, steps, plain, with_long_captions(plain), own)


def some_of(clips: Sequence[Clip], n: int) -> list[Clip]:
    """`n` of the clips, from the shortest to the longest."""
    ordered = sorted(clips, key=lambda clip: clip.duration_s)
    places = np.linspace(0, len(ordered) - 1, min(n, len(ordered))).round().astype(int)
    return [ordered[i] for i in places]


@torch.no_grad()
def _steps_of(model: CaptioningModel, sounds: ImaginedSounds, most: int) -> int:
    sounds.longest = True
    waveform = torch.from_numpy(sounds.read(0))[None].to(model.device)
    sounds.longest = False
    model.eval()
    _, mask = model.hear(waveform, torch.tensor([most], device=model.device))
    return int(mask.sum())


def _noise(steps: int, width: int) -> NDArray[np.float16]:
    return np.random.default_rng(0).random((steps, width)).astype(np.float16)
