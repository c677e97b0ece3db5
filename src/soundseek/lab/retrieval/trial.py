"""A few real steps of a stage on imagined sounds: what they take in time and memory."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from lightning_fabric import Fabric
from torch import Tensor

from soundseek.errors import DataError
from soundseek.lab.devices import open_fabric, world_size
from soundseek.lab.memory import PeakMemory, available
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

STEPS: Final = 3
"""Steps of a trial of each kind; the first warms up, the others count."""
CLIPS_AT_ONCE: Final = 16
TEXTS_AT_ONCE: Final = 64


@dataclass(frozen=True)
class Trial:
    """What a stage took, for batches of `batch` pairs a process.

    `longest_step_s`, `peak_bytes` and `loss` are of the longest sounds and captions, `step_s` of
    sounds as long as the recipe's; `make_s` is for making such a batch, beside decoding.
    `grown_bytes`: how far memory grew for it. `hear_s` and `read_s`: for embedding 16 clips and 64
    texts. Sizes are those of a kept model and of a checkpoint to resume from.
    """

    batch: int
    loss: float
    step_s: float
    longest_step_s: float
    make_s: float
    hear_s: float
    read_s: float
    peak_bytes: int
    grown_bytes: int
    kept_bytes: int
    checkpoint_bytes: int
    parameters: Mapping[str, tuple[int, int]]
    """Part of the model → its parameters, and how many of them the stage trains."""


def open_trial_fabric(recipe: RetrievalRecipe) -> Fabric:
    """As for a training, but of one process. Raises `RecipeError` for devices that are not there,
    and in one of several processes."""
    if world_size() > 1:
        raise DataError(
            "a rehearsal is made by one process, and this is one of several",
            remedy="start it without torchrun",
        )
    run = recipe.run
    if run.devices > 1 and run.device in ("auto", "cuda") and torch.cuda.is_available():
        there = torch.cuda.device_count()
        if there < run.devices:
            raise DataError(
                f"run.devices={run.devices}: {there} GPUs are here",
                remedy="set run.devices to what is here",
            )
    return open_fabric(run.device, 1, run.precision)


def of_one_process(recipe: RetrievalRecipe, *, batch: int | None = None) -> RetrievalRecipe:
    """The recipe of one stage as a single process goes through it: its share of a batch, or a
    `batch` in one portion."""
    optimiser = recipe.optimiser
    share: dict[str, object] = {
        "batch": optimiser.batch // recipe.run.devices,
        "accumulate": optimiser.accumulate,
        "non_finite": "skip",  # what a batch of noise is refused for is told here
    }
    if batch is not None:
        share |= {"batch": batch, "accumulate": 1}
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
        stage.progress.step = math.ceil(_thawed(own) * stage.order.batches)
        return stage

    def too_large(self, stage: Stage, small: Stage) -> str | None:
        """Why the machine's memory is not likely to hold the longest batch of `stage`, judged by
        the peak of a smaller one; None where it is. A GPU says so itself."""
        if self.fabric.device.type == "cuda":
            return None
        meter = PeakMemory(self.fabric.device)
        small.learn(_lessons(small))
        peak = meter.peak()
        portion = stage.order.batch // stage.recipe.optimiser.accumulate
        ratio = portion / small.order.batch
        needed, there = (peak - meter.before) * ratio, available(self.fabric.device)
        if there is None or needed < there:
            return None
        return (
            f"a step takes about {needed / 1e9:.1f} GB, judged by one of {small.order.batch} "
            f"pairs; {there / 1e9:.1f} GB are free"
        )

    def longest(self, stage: Stage) -> tuple[int, float]:
        """The peak of memory in bytes, and the seconds of a step, on the longest sounds."""
        meter = PeakMemory(self.fabric.device)
        step_s, _, _ = self._steps(stage)
        return meter.peak(), step_s

    def run(self, stage: Stage, texts: Iterable[str] = ()) -> Trial:
        """Steps of a stage, those on the longest sounds first; `texts`: some to be read."""
        sounds = stage.material.train.sounds.store
        assert isinstance(sounds, ImaginedSounds)
        meter = PeakMemory(self.fabric.device)
        sounds.longest = True
        longest_s, _, loss = self._steps(stage)
        peak = meter.peak()
        sounds.longest = False
        step_s, make_s, _ = self._steps(stage)
        hear_s, read_s = self._validation(stage, list(texts)[:TEXTS_AT_ONCE])
        kept, checkpoint = _sizes(stage)
        return Trial(
            stage.order.batch,
            loss,
            step_s,
            longest_s,
            make_s,
            hear_s,
            read_s,
            peak,
            max(0, peak - meter.before),
            kept,
            checkpoint,
            _parameters(stage),
        )

    def _steps(self, stage: Stage) -> tuple[float, float, float]:
        """Mean seconds of a step and of making its batch, and the loss of the last one. Raises
        `DataError` for a loss or gradient that is not finite."""
        learn, make, loss = [], [], math.nan
        for _ in range(STEPS):
            begun = self._now()
            lessons = stage.maker.lessons(stage.progress.step)
            make.append(self._now() - begun)
            _remember(stage, lessons)
            begun = self._now()
            means = stage.learn(lessons)
            if means is None:
                raise DataError(
                    "the loss or the gradient of a batch of noise is not finite",
                    remedy="lower optimiser.learning_rate, set optimiser.clip_norm, or "
                    "run.precision=fp32",
                )
            learn.append(self._now() - begun)
            loss = means["loss"]
            del lessons
        return _mean(learn[1:]), _mean(make[1:]), loss

    def _validation(self, stage: Stage, texts: list[str]) -> tuple[float, float]:
        part = stage.material.train
        sounds = part.sounds.store
        assert isinstance(sounds, ImaginedSounds)
        few = sounds.some(CLIPS_AT_ONCE)
        events = None if part.events is None else part.events[: len(few)]
        self.model.eval()
        with self.fabric.autocast(), torch.no_grad():
            times = []
            for _ in range(2):
                begun = self._now()
                embed_clips(self.model, few, max_s=stage.recipe.audio.max_s, events=events)
                heard = self._now()
                if texts:
                    embed_texts(self.model, texts)
                times.append((heard - begun, self._now() - heard))
        hear_s, read_s = times[-1]
        return hear_s * CLIPS_AT_ONCE / len(few), read_s * TEXTS_AT_ONCE / max(1, len(texts))

    def _now(self) -> float:
        if self.fabric.device.type == "cuda":
            torch.cuda.synchronize(self.fabric.device)
        return time.perf_counter()


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


def _thawed(recipe: RetrievalRecipe) -> float:
    """Epochs until everything is free that `optimiser.frozen_epochs` frees at all."""
    frozen = recipe.optimiser.frozen_epochs.values()
    return max((epochs for epochs in frozen if epochs is not None), default=0.0)


def _parameters(stage: Stage) -> dict[str, tuple[int, int]]:
    trained = {id(one) for group in stage.optimiser.param_groups for one in group["params"]}
    found: dict[str, tuple[int, int]] = {}
    for name, parameter in stage.learner.named_parameters():
        first, *rest = name.split(".")
        part = first if first == "objective" or not rest else f"{first}.{rest[0]}"
        everything, some = found.get(part, (0, 0))
        n = parameter.numel()
        found[part] = (everything + n, some + (n if id(parameter) in trained else 0))
    return found


def _sizes(stage: Stage) -> tuple[int, int]:
    """Bytes of tensors in what a stage keeps, and in the checkpoint that it resumes from."""
    model = [*stage.model.state_dict().values(), *stage.objective.state_dict().values()]
    moments = [
        value
        for state in stage.optimiser.state.values()
        for value in state.values()
        if isinstance(value, Tensor)
    ]
    mean = [] if stage.average is None else list(stage.average.state().values())
    return _bytes(model), _bytes([*model, *moments, *mean])


def _bytes(tensors: Iterable[Tensor]) -> int:
    """Of tensors that share their memory once."""
    storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in tensors}
    return sum(storages.values())


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _nothing(_: str) -> None:
    """A trial tells its figures, not how it went."""
