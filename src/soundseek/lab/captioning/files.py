"""Sound files of which nothing is known, captioned by a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from soundseek.audio.decode import probe, read
from soundseek.audio.source import printable
from soundseek.bundle.captioning.describe import SILENCE, SILENT_DBFS, Description
from soundseek.errors import AudioError
from soundseek.lab.audio_encoders.events import at_steps, step_probabilities
from soundseek.lab.captioning.build import build_event_tagger
from soundseek.lab.captioning.decoding import allowed_words, write_captions
from soundseek.lab.captioning.hearing import with_events
from soundseek.lab.captioning.recipe import CaptioningRecipe, Decoding
from soundseek.lab.captioning.trained import Trained, load_trained
from soundseek.lab.devices import device_of
from soundseek.lab.recipe_files import merged, validated
from soundseek.lab.retrieval.embedding import at_least
from soundseek.lab.retrieval.waveforms import padded

TOGETHER: Final = 16
_SILENT_SQUARE: Final = 10 ** (SILENT_DBFS / 10)
_LARGEST: Final = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class CaptionedFile:
    """What became of a file: its description, or the reason why there is none. `cut`: it is longer
    than what was heard of it."""

    path: str
    description: Description | None = None
    reason: str | None = None
    cut: bool = False


@dataclass(frozen=True)
class _Sound:
    """A file decoded: mono float32 at the encoder's rate, and at the tagger's where there is one;
    the file's length in seconds."""

    waveform: NDArray[np.float32]
    tagged: NDArray[np.float32] | None
    duration_s: float


class FileCaptioner:
    """The captioner of a run, for files. Open one by `open_captioner`.

    Attributes:
        name: of the recipe.
        encoder: what hears.
        most_s: what is behind so many seconds of a file is not heard.
    """

    def __init__(self, trained: Trained, decoding: Decoding) -> None:
        """Raises `RecipeError` for a file of words that cannot be used, or a tagger's checkpoint
        that is not there."""
        recipe = trained.recipe
        self.name, self.encoder, self.most_s = recipe.name, recipe.audio.encoder, recipe.audio.max_s
        self._recipe, self._decoding = recipe, decoding
        self._words = allowed_words(trained.model.captioner, decoding)
        self._tagger = build_event_tagger(recipe)
        device = device_of("cpu" if recipe.run.device == "cpu" else "auto")
        self._model = trained.model.to(device)

    def captions(self, paths: Sequence[str]) -> Iterator[CaptionedFile]:
        """Caption files in their order; what cannot be read comes as such and stops nothing. A
        silent file is called so without asking the network, as `describe` does."""
        for start in range(0, len(paths), TOGETHER):
            together = range(start, min(start + TOGETHER, len(paths)))
            sounds: dict[int, _Sound] = {}
            reasons: dict[int, str] = {}
            for place in together:
                path = paths[place]
                try:
                    sounds[place] = self._decoded(path)
                except AudioError as error:
                    reasons[place] = error.message.removeprefix(f"{printable(Path(path))}: ")
            heard = {place: one for place, one in sounds.items() if not _is_silent(one.waveform)}
            written = self._written(heard)
            for place in together:
                path = paths[place]
                if place in reasons:
                    yield CaptionedFile(path, reason=reasons[place])
                    continue
                sound = sounds[place]
                caption = written.get(place, SILENCE)
                description = Description(path, sound.duration_s, *caption, parts=())
                yield CaptionedFile(path, description, cut=sound.duration_s > self.most_s)

    def _decoded(self, path: str) -> _Sound:
        rate = self._model.audio.audio_encoder.sample_rate
        waveform, _ = read(path, rate, duration_s=self.most_s)
        if not waveform.size:
            raise AudioError(f"{printable(Path(path))}: holds no sound")
        tagged = None
        if self._tagger is not None:
            tagged, _ = read(path, self._tagger.sample_rate, duration_s=self.most_s)
        # Some files only tell how long they are by being decoded.
        duration_s = max(waveform.size / rate, probe(path).duration_s or 0.0)
        return _Sound(waveform, tagged, duration_s)

    @torch.no_grad()
    def _written(self, sounds: Mapping[int, _Sound]) -> dict[int, tuple[str, float]]:
        """Place → caption and the mean log-probability of its tokens."""
        if not sounds:
            return {}
        model, places = self._model, list(sounds)
        least = model.audio.least_samples
        waveforms, samples = padded([at_least(one.waveform, least) for one in sounds.values()])
        sequence, mask = model.hear(waveforms.to(model.device), samples.to(model.device))
        if self._recipe.audio.frozen:
            # The captioner learnt from what was kept in half precision.
            sequence = sequence.float().clamp(-_LARGEST, _LARGEST).half().float()
        if self._tagger is not None:
            sequence = self._with_events(sequence, mask, list(sounds.values()))
        captions = write_captions(
            model.captioner, sequence, mask, self._decoding, places=places, words=self._words
        )
        return {
            place: (one.text, one.mean_log_probability)
            for place, one in zip(places, captions, strict=True)
        }

    def _with_events(self, sequence: Tensor, mask: Tensor, sounds: Sequence[_Sound]) -> Tensor:
        tagger, events = self._tagger, self._recipe.audio.events
        assert tagger is not None
        assert events is not None
        seconds = self._model.audio.audio_encoder.seconds_per_step
        found: Tensor | None = None
        for row, (sound, steps) in enumerate(zip(sounds, mask.sum(1).tolist(), strict=True)):
            assert sound.tagged is not None
            # A second is what taggers of patches and of frames alike take.
            waveforms, _ = padded([at_least(sound.tagged, tagger.sample_rate)])
            probabilities, own = step_probabilities(tagger, tagger.features(waveforms))
            one = at_steps(probabilities, tagger.seconds_per_step, steps, seconds, own)[0]
            if found is None:
                found = torch.zeros((*mask.shape, one.shape[1]))
            found[row, :steps] = one.half().float()
        assert found is not None
        return with_events(sequence, mask, found.to(sequence.device), events.form)


def open_captioner(run_folder: Path, changes: Mapping[str, Any] | None = None) -> FileCaptioner:
    """The captioner that a run kept; `changes` to the recipe's `decoding`.

    Raises `DataError` where there is no run or no model, `RecipeError` for changes that cannot be.
    """
    trained = load_trained(run_folder)
    document = merged(trained.recipe.model_dump(), {"decoding": dict(changes or {})})
    changed = validated(CaptioningRecipe, document, f"the decoding of {run_folder}")
    return FileCaptioner(trained, changed.decoding)


def _is_silent(waveform: NDArray[np.float32]) -> bool:
    return bool(np.square(waveform, dtype=np.float64).mean() < _SILENT_SQUARE)
