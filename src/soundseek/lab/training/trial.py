"""A few real steps of a stage of training: what they take in time and memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor

from soundseek.errors import DataError
from soundseek.lab.devices import open_fabric, world_size
from soundseek.lab.memory import PeakMemory, available
from soundseek.lab.training.settings import Optimiser, Run
from soundseek.lab.training.stage import TrainingStage

STEPS: Final = 3
"""Steps of a trial of each kind; the first warms up, the others count."""
AnyStage = TrainingStage[Any]


@dataclass(frozen=True)
class StepTrial:
    """What a stage took, for batches of `batch` pairs a process.

    `longest_step_s`, `peak_bytes` and `loss` are of the longest sounds and captions, `step_s` of
    sounds as long as the recipe's; `make_s` is for making such a batch, beside decoding.
    `grown_bytes`: how far memory grew for it. Sizes are those of a kept model and of a checkpoint
    to resume from.
    """

    batch: int
    loss: float
    step_s: float
    longest_step_s: float
    make_s: float
    peak_bytes: int
    grown_bytes: int
    kept_bytes: int
    checkpoint_bytes: int
    parameters: Mapping[str, tuple[int, int]]
    """Part of the model → its parameters, and how many of them the stage trains."""


class Steps(NamedTuple):
    """Mean seconds of a step and of making its batch, and the loss of the last one."""

    learn_s: float
    make_s: float
    loss: float


class Sizes(NamedTuple):
    """Bytes of a kept model, and of the checkpoint that a run resumes from."""

    kept: int
    checkpoint: int


def open_trial_fabric(run: Run) -> Fabric:
    """As for a training, but of one process. Raises `RecipeError` for devices that are not there,
    and in one of several processes."""
    if world_size() > 1:
        raise DataError(
            "a rehearsal is made by one process, and this is one of several",
            remedy="start it without torchrun",
        )
    if run.devices > 1 and run.device in ("auto", "cuda") and torch.cuda.is_available():
        there = torch.cuda.device_count()
        if there < run.devices:
            raise DataError(
                f"run.devices={run.devices}: {there} GPUs are here",
                remedy="set run.devices to what is here",
            )
    return open_fabric(run.device, 1, run.precision)


def share_of(optimiser: Optimiser, run: Run, *, batch: int | None = None) -> dict[str, object]:
    """What changes of `optimiser` where a single process tries its share of a batch, or a `batch`
    in one portion."""
    share: dict[str, object] = {
        "batch": optimiser.batch // run.devices,
        "accumulate": optimiser.accumulate,
        "non_finite": "skip",  # what a batch of noise is refused for is told by the trial
    }
    return share if batch is None else share | {"batch": batch, "accumulate": 1}


def all_free(stage: AnyStage) -> None:
    """Let the stage go on where all is free that `optimiser.frozen_epochs` frees at all."""
    frozen = stage.settings.frozen_epochs.values()
    epochs = max((one for one in frozen if one is not None), default=0.0)
    stage.progress.step = math.ceil(epochs * stage.batches)


def tried(
    stage: AnyStage,
    batch: int,
    *,
    steps: Callable[[], Steps],
    lengthen: Callable[[bool], None],
    kept: Callable[[], Iterable[Tensor]],
) -> StepTrial:
    """What `steps` of a stage take, those on the longest sounds first: `lengthen` makes all so, or
    leaves them as long as they are. `kept`: the tensors of a kept model."""
    meter = PeakMemory(stage.fabric.device)
    lengthen(True)
    longest = steps()
    peak = meter.peak()
    lengthen(False)
    plain = steps()
    sizes = sizes_of(stage, kept())
    return StepTrial(
        batch,
        longest.loss,
        plain.learn_s,
        longest.learn_s,
        plain.make_s,
        peak,
        max(0, peak - meter.before),
        sizes.kept,
        sizes.checkpoint,
        parameters_of(stage),
    )


def try_steps(stage: AnyStage, ready: Callable[[Sequence[Any]], None] = lambda _: None) -> Steps:
    """Some steps of a stage; `ready` is told of each step's lessons before they are learnt from.

    Raises `DataError` for a loss or gradient that is not finite.
    """
    device = stage.fabric.device
    learn, make, loss = [], [], math.nan
    for _ in range(STEPS):
        begun = now(device)
        lessons = stage.lessons(stage.progress.step)
        make.append(now(device) - begun)
        ready(lessons)
        begun = now(device)
        means = stage.learn(lessons)
        if means is None:
            raise DataError(
                "the loss or the gradient of a batch of noise is not finite",
                remedy="lower optimiser.learning_rate, set optimiser.clip_norm, or "
                "run.precision=fp32",
            )
        learn.append(now(device) - begun)
        loss = means["loss"]
        del lessons
    return Steps(_mean(learn[1:]), _mean(make[1:]), loss)


def beyond_memory(
    small: AnyStage, batch: int, small_batch: int, lessons: Callable[[], Sequence[Any]]
) -> str | None:
    """Why the machine's memory is not likely to hold a portion of `batch` pairs, judged by the peak
    of a step of `small` on `lessons`; None where it is. A GPU says so itself."""
    device = small.fabric.device
    if device.type == "cuda":
        return None
    meter = PeakMemory(device)
    small.learn(lessons())
    needed = (meter.peak() - meter.before) * batch / small_batch
    there = available(device)
    if there is None or needed < there:
        return None
    return (
        f"a step takes about {needed / 1e9:.1f} GB, judged by one of {small_batch} pairs; "
        f"{there / 1e9:.1f} GB are free"
    )


def parameters_of(stage: AnyStage) -> dict[str, tuple[int, int]]:
    """Part of the model → its parameters, and how many of them the stage trains."""
    trained = {id(one) for group in stage.optimiser.param_groups for one in group["params"]}
    found: dict[str, tuple[int, int]] = {}
    for name, parameter in stage.learner.named_parameters():
        first, *rest = name.split(".")
        part = first if first == "objective" or not rest else f"{first}.{rest[0]}"
        everything, some = found.get(part, (0, 0))
        n = parameter.numel()
        found[part] = (everything + n, some + (n if id(parameter) in trained else 0))
    return found


def sizes_of(stage: AnyStage, kept: Iterable[Tensor]) -> Sizes:
    """Bytes of the tensors `kept` of the model, and of what a checkpoint holds besides."""
    model = list(kept)
    moments = [
        value
        for state in stage.optimiser.state.values()
        for value in state.values()
        if isinstance(value, Tensor)
    ]
    mean = [] if stage.average is None else list(stage.average.state().values())
    return Sizes(_bytes(model), _bytes([*model, *moments, *mean]))


def now(device: torch.device) -> float:
    """Seconds, once the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _bytes(tensors: Iterable[Tensor]) -> int:
    """Of tensors that share their memory once."""
    storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in tensors}
    return sum(storages.values())


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
