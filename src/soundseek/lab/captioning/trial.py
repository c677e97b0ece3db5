"""A few real steps of a captioner on imagined sounds: what they take in time and memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from lightning_fabric import Fabric

from soundseek.lab.audio_encoders.bundled import BundledModel
from soundseek.lab.audio_encoders.events import step_probabilities
from soundseek.lab.captioning.build import build_event_tagger
from soundseek.lab.captioning.imagined import ImaginedPart, imagined_part, some_of
from soundseek.lab.captioning.model import CaptioningModel
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.captioning.scoring import captions_of
from soundseek.lab.captioning.stage import FIGURES, TERM, CaptioningStage
from soundseek.lab.captioning.texts import TextItems
from soundseek.lab.data.manifest import Clip
from soundseek.lab.recipe_files import merged, validated
from soundseek.lab.retrieval.clips import ClipSets
from soundseek.lab.retrieval.embedding import at_least
from soundseek.lab.retrieval.rehearsing import SMALLER
from soundseek.lab.retrieval.waveforms import padded
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.run_loggers import open_loggers
from soundseek.lab.training.tables import Tables
from soundseek.lab.training.trial import (
    Steps,
    StepTrial,
    all_free,
    beyond_memory,
    now,
    share_of,
    tried,
    try_steps,
)

_HEARD: Final = 8
_WRITTEN: Final = 8
_READ: Final = 64
_TAGGED_S: Final = 10.0


@dataclass(frozen=True)
class CaptioningTrial(StepTrial):
    """Seconds: `hear_s` for a second of sound (0 where it is heard in every step), `tag_s` for one
    by the tagger of events, `read_s` for a caption without sound, `validate_s` for a caption of
    validation, `write_s` for captioning a clip, at most. `steps_per_s`: what is kept of a second of
    sound."""

    hear_s: float
    tag_s: float
    read_s: float
    validate_s: float
    write_s: float
    steps_per_s: float


class CaptioningTrials:
    """Makes trials of a recipe's model. Nothing is written outside `scratch`."""

    def __init__(
        self, recipe: CaptioningRecipe, model: CaptioningModel, fabric: Fabric, scratch: Path
    ) -> None:
        self.recipe, self.model, self.fabric, self.scratch = recipe, model, fabric, scratch
        model.to(fabric.device)

    def too_large(self, clips: ClipSets, items: TextItems) -> str | None:
        """Why the machine's memory is not likely to hold the longest batch; None where it is."""
        settings = self.recipe.optimiser
        portion = settings.batch // self.recipe.run.devices // settings.accumulate
        batch = max(2, portion // SMALLER)
        small, train = self._stage(clips, items, batch)
        train.lengthen(True)
        return beyond_memory(small, portion, batch, lambda: small.lessons(0))

    def run(self, clips: ClipSets, items: TextItems) -> CaptioningTrial:
        """Steps of the stage, those on the longest sounds and captions first; then what else a run
        does."""
        stage, train = self._stage(clips, items)
        found = tried(
            stage,
            stage.order.batch,
            steps=lambda: self._steps(stage),
            lengthen=train.lengthen,
            kept=lambda: self.model.state_dict().values(),
        )
        frozen = self.recipe.audio.frozen
        return CaptioningTrial(
            **vars(found),
            hear_s=self._hearing(clips.train) if frozen else 0.0,
            tag_s=self._tagging(),
            read_s=self._reading(items),
            validate_s=self._validating(stage),
            write_s=self._writing(clips.test),
            steps_per_s=train.steps / self.recipe.audio.max_s if frozen else 0.0,
        )

    def _steps(self, stage: CaptioningStage) -> Steps:
        return try_steps(stage)

    def _stage(
        self, clips: ClipSets, items: TextItems, batch: int | None = None
    ) -> tuple[CaptioningStage, ImaginedPart]:
        """A stage that can make steps, at a point where all that it trains is free."""
        settings = self.recipe.optimiser
        share = {
            "optimiser": share_of(settings, self.recipe.run, batch=batch),
            "run": {"devices": 1, "decode": "ahead", "loggers": ()},
        }
        document = merged(self.recipe.model_dump(), share)
        own = validated(CaptioningRecipe, document, self.recipe.name)
        train = imagined_part(clips.train, own, self.model, items)
        captions = max(len(clip.captions) for clip in clips.validation)
        few = some_of(clips.validation, math.ceil(own.optimiser.batch / captions))
        folder = self.scratch / f"batch-{own.optimiser.batch}"
        run_folder = RunFolder.claim(folder, own)
        loggers = open_loggers(
            (), folder, run_name="trial", config={}, resumed_step=0, options={}, say=_nothing
        )
        stage = CaptioningStage(
            own,
            self.model,
            train.part,
            imagined_part(few, own, self.model).part,
            run_folder,
            Tables(run_folder, loggers, terms=(TERM,), figures=FIGURES),
            _nothing,
            fabric=self.fabric,
        )
        all_free(stage)
        return stage, train

    @torch.no_grad()
    def _hearing(self, clips: list[Clip]) -> float:
        model, few = self.model, some_of(clips, _HEARD)
        sounds = imagined_part(few, self.recipe, model).sounds
        least = model.audio.least_samples
        waveforms, samples = padded([at_least(sounds.read(i), least) for i in range(len(few))])
        model.eval()
        spent = self._spent(
            lambda: model.hear(waveforms.to(model.device), samples.to(model.device))
        )
        return spent * model.audio.audio_encoder.sample_rate / int(samples.sum())

    def _tagging(self) -> float:
        tagger = build_event_tagger(self.recipe)
        if tagger is None:
            return 0.0
        tagger.to(self.model.device)  # type: ignore[attr-defined]
        sound = torch.zeros(1, round(_TAGGED_S * tagger.sample_rate), device=self.model.device)
        spent = self._spent(lambda: step_probabilities(tagger, tagger.features(sound)))
        return spent / _TAGGED_S

    def _reading(self, items: TextItems) -> float:
        encoder, texts = self.model.audio.encoder, items.texts[:_READ]
        if not texts or not isinstance(encoder, BundledModel):
            return 0.0
        return self._spent(lambda: encoder.bundle.encode_text(texts)) / len(texts)

    def _validating(self, stage: CaptioningStage) -> float:
        captions = sum(len(clip.captions) for clip in stage.validation.clips)
        return self._spent(stage.figures) / captions

    def _writing(self, clips: list[Clip]) -> float:
        if not clips:
            return 0.0
        few = some_of(clips, _WRITTEN)
        part = imagined_part(few, self.recipe, self.model).part
        spent = self._spent(
            lambda: captions_of(self.model, part, self.recipe.decoding, _nothing), warm=False
        )
        return spent / len(few)

    def _spent(self, work: Callable[[], object], *, warm: bool = True) -> float:
        if warm:
            work()
        begun = now(self.fabric.device)
        work()
        return now(self.fabric.device) - begun


def _nothing(_: str) -> None:
    """A trial tells its figures, not how it went."""
