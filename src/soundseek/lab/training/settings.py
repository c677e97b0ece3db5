"""How a training goes, in any recipe: the optimiser, its schedule, and the way of working."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from soundseek.lab.recipe_files import Section, name_in
from soundseek.lab.run_loggers import LOGGERS


class Schedule(Section):
    """How the learning rate goes, after a linear warm-up of `warmup_epochs`.

    `cosine`, `linear`: from the peak to `last_rate` over `decay_epochs` (default: all that remain);
    `step`: times `factor` every `every_epochs`; `exponential`: times `factor` every epoch;
    `plateau`: times `factor` when `monitor` did not gain `threshold` for more than `patience`
    validations.
    """

    kind: Literal["constant", "cosine", "linear", "step", "exponential", "plateau"] = "constant"
    warmup_epochs: float = Field(default=0.0, ge=0)
    last_rate: float = Field(default=0.0, ge=0)
    decay_epochs: float | None = Field(default=None, gt=0)
    factor: float = Field(default=0.1, gt=0, le=1)
    every_epochs: int = Field(default=10, ge=1)
    patience: int = Field(default=5, ge=1)
    threshold: float = Field(default=0.0, ge=0)
    monitor: Literal["loss", "mAP@10"] = "loss"


class Optimiser(Section):
    """`audio_rate`, `text_rate`: factors on `learning_rate` for the two encoders.

    `rates`: factors for parts of the model by the beginning of their names, in place of these, such
    as {audio.encoder.conv_block1: 0.1}; the longest that fits. `frozen_epochs`: for how many epochs
    of the stage a part stays as it is, {text.encoder: 2}, null: throughout; its norms are in
    evaluation mode so long.

    `accumulate`: a batch is gone through in so many parts and learnt from once. A part has its own
    negatives and statistics only, so that a contrastive objective sees fewer.

    `ema`: the running mean of the weights, of that decay a step, is validated and kept in place of
    them; it begins with a mean over few steps: min(ema, (1 + step) / (10 + step)).

    `non_finite`: what to do with a batch whose loss or gradient is not finite: `stop`, with its
    clips told, or `skip` it, unless ten in a row are so.

    `max_steps` ends a stage early: a budget. `stop_after` validations without gain end it too.
    `select`: which checkpoint is kept: the `best` on the validation set, by mAP@10 or (captioners)
    by the loss, or the `last`.
    """

    kind: Literal["adam", "adamw"] = "adam"
    learning_rate: float = Field(gt=0)
    audio_rate: float = Field(default=1.0, gt=0)
    text_rate: float = Field(default=1.0, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    batch: int = Field(default=32, ge=2)
    epochs: int = Field(ge=1)
    max_steps: int | None = Field(default=None, ge=1)
    stop_after: int | None = Field(default=None, ge=1)
    select: Literal["best", "last"] = "best"
    clip_norm: float | None = Field(default=None, gt=0)
    rates: Mapping[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    frozen_epochs: Mapping[str, Annotated[float, Field(ge=0)] | None] = Field(default_factory=dict)
    accumulate: int = Field(default=1, ge=1)
    ema: float | None = Field(default=None, gt=0, lt=1)
    non_finite: Literal["stop", "skip"] = "stop"
    schedule: Schedule = Schedule()

    @model_validator(mode="after")
    def _parts_are_batches(self) -> Self:
        if self.batch % self.accumulate or self.batch < 2 * self.accumulate:
            raise ValueError(
                f"a batch of {self.batch} cannot be gone through in {self.accumulate} equal parts "
                "of two pairs or more"
            )
        return self


class Run(Section):
    """How a run goes about its work. What it learns is changed by `precision`, and by how often it
    validates (`evaluate_epochs`), where a schedule or the best checkpoint hangs on that.

    `cache`: where decoded sounds are kept, None: in the run's own folder. `decode`: every sound
    once before training (`ahead`), or each time it is heard (`when_needed`), for corpora of months
    of sound, which would not fit on the disk decoded. `workers` threads decode, and make batches
    while the device learns.

    `device`: auto, cpu, cuda, cuda:1, mps. `devices`: so many of them, a process each; a batch is
    shared out among them, the negatives are those of the whole batch. `precision`: bf16 and fp16
    are automatic mixed precision.

    `loggers`: where figures go beside the CSV files, tensorboard or wandb; `logger_options` by
    logger, such as {wandb: {project: sounds}}.

    """

    cache: str | None = None
    decode: Literal["ahead", "when_needed"] = "ahead"
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    devices: int = Field(default=1, ge=1)
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    workers: int = Field(default=1, ge=1)
    loggers: tuple[Annotated[str, name_in(LOGGERS, "logger")], ...] = ("tensorboard",)
    logger_options: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    threads: int | None = Field(default=None, ge=1)
    log_steps: int = Field(default=20, ge=1)
    checkpoint_steps: int = Field(default=200, ge=1)
    evaluate_epochs: int = Field(default=1, ge=1)
