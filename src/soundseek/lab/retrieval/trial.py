"""A few real steps of a stage on imagined sounds: what they take in time and memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from lightning_fabric import Fabric

from soundseek.lab.memory import PeakMemory
from soundseek.lab.recipe_files import merged
from soundseek.lab.retrieval.batches import BatchMaker
from soundseek.lab.retrieval.build import build_objective
from soundseek.lab.retrieval.clips import ClipSets, extra_captions
from soundseek.lab.retrieval.embedding import embed_clips, embed_texts
from soundseek.lab.retrieval.figures import retrieval_tables
from soundseek.lab.retrieval.imagined import (
    ImaginedSounds,
    imagined_part,
    imagined_teacher,
    with_long_captions,
)
from soundseek.lab.retrieval.learner import Lesson
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.prepare import text_resources
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from soundseek.lab.retrieval.stage import Material, Stage
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.run_loggers import open_loggers
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

CLIPS_AT_ONCE: Final = 16
TEXTS_AT_ONCE: Final = 64


@dataclass(frozen=True)
class Trial(StepTrial):
    """With `hear_s` and `read_s`: seconds for embedding 16 clips and 64 texts."""

    hear_s: float
    read_s: float


def of_one_process(recipe: RetrievalRecipe, *, batch: int | None = None) -> RetrievalRecipe:
    """The recipe of one stage as a single process goes through it: its share of a batch, or a
    `batch` in one portion."""
    share = share_of(recipe.optimiser, recipe.run, batch=batch)
    run = {"devices": 1, "decode": "ahead", "loggers": ()}
    text = {"p_back_translation": 0.0}
    document = merged(recipe.model_dump(), {"optimiser": share, "run": run})
    document = merged(document, {"augment": {"text": text}})
    return RetrievalRecipe.model_validate(document)


class Trials:
    """Makes trials of the stages of one model. Nothing is written outside `scratch`."""

    def __init__(self, model: RetrievalModel, fabric: Fabric, scratch: Path) -> None:
        self.model, self.fabric, self.scratch = model, fabric, scratch
        model.audio.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        model.to(fabric.device)

    def stage(
        self, name: str, recipe: RetrievalRecipe, clips: ClipSets, *, batch: int | None = None
    ) -> Stage:
        """A stage that can make steps, at a point where all that it trains is free."""
        own = of_one_process(recipe, batch=batch)
        folder = self.scratch / f"{name}-{own.optimiser.batch}"
        train = imagined_part(with_long_captions(clips.train), own, self.model)
        resources = text_resources(own.augment, clips, self.scratch, _nothing)
        extra = extra_captions(clips.train, own.data, _nothing) if own.augment.text.p_extra else {}
        maker = BatchMaker(train.sounds, own.augment, resources, own.seed, extra)
        teachers = [imagined_teacher(clips.train) for _ in own.teachers]
        run_folder = RunFolder.claim(folder, own)
        loggers = open_loggers(
            (), folder, run_name=name, config={}, resumed_step=0, options={}, say=_nothing
        )
        stage = Stage(
            name,
            own,
            self.model,
            build_objective(own, self.model).to(self.fabric.device),
            Material(train, train, maker, maker, teachers),
            run_folder,
            retrieval_tables(run_folder, loggers),
            _nothing,
            fabric=self.fabric,
            before=0,
        )
        all_free(stage)
        return stage

    def too_large(self, stage: Stage, small: Stage) -> str | None:
        """Why the machine's memory is not likely to hold the longest batch of `stage`, judged by
        the peak of a smaller one; None where it is. A GPU says so itself."""
        portion = stage.order.batch // stage.recipe.optimiser.accumulate
        return beyond_memory(small, portion, small.order.batch, lambda: _lessons(small))

    def longest(self, stage: Stage) -> tuple[int, float]:
        """The peak of memory in bytes, and the seconds of a step, on the longest sounds."""
        meter = PeakMemory(self.fabric.device)
        steps = self._steps(stage)
        return meter.peak(), steps.learn_s

    def run(self, stage: Stage, texts: Iterable[str] = ()) -> Trial:
        """Steps of a stage, those on the longest sounds first; `texts`: some to be read."""
        sounds = stage.material.train.sounds.store
        assert isinstance(sounds, ImaginedSounds)

        def lengthen(longest: bool) -> None:
            sounds.longest = longest

        found = tried(
            stage,
            stage.order.batch,
            steps=lambda: self._steps(stage),
            lengthen=lengthen,
            kept=lambda: [
                *stage.model.state_dict().values(),
                *stage.objective.state_dict().values(),
            ],
        )
        hear_s, read_s = self._validation(stage, list(texts)[:TEXTS_AT_ONCE])
        return Trial(**vars(found), hear_s=hear_s, read_s=read_s)

    def _steps(self, stage: Stage) -> Steps:
        return try_steps(stage, lambda lessons: _remember(stage, lessons))

    def _validation(self, stage: Stage, texts: list[str]) -> tuple[float, float]:
        part = stage.material.train
        sounds = part.sounds.store
        assert isinstance(sounds, ImaginedSounds)
        few = sounds.some(CLIPS_AT_ONCE)
        events = None if part.events is None else part.events[: len(few)]
        device = self.fabric.device
        self.model.eval()
        with self.fabric.autocast(), torch.no_grad():
            times = []
            for _ in range(2):
                begun = now(device)
                embed_clips(self.model, few, max_s=stage.recipe.audio.max_s, events=events)
                heard = now(device)
                if texts:
                    embed_texts(self.model, texts)
                times.append((heard - begun, now(device) - heard))
        hear_s, read_s = times[-1]
        return hear_s * CLIPS_AT_ONCE / len(few), read_s * TEXTS_AT_ONCE / max(1, len(texts))


def _lessons(stage: Stage) -> list[Lesson]:
    lessons = stage.maker.lessons(stage.progress.step)
    _remember(stage, lessons)
    return lessons


def _remember(stage: Stage, lessons: Iterable[Lesson]) -> None:
    """A run lets a frozen text encoder read all captions before its first step."""
    clips = stage.material.train.sounds.clips
    stage.model.text.remember(
        clips[clip].captions[caption]
        for lesson in lessons
        for clip, caption in zip(lesson.batch.clips, lesson.batch.captions, strict=True)
    )


def _nothing(_: str) -> None:
    """A trial tells its figures, not how it went."""
