"""Recipes of the embedded model."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from soundseek.lab.recipe_files import RecipeBase, Section


class DataSection(Section):
    """`folder` holds clips.jsonl and weights/; `tiers` are those trained on. `unlabelled` are
    folders with a clips.jsonl whose sounds are heard without captions: the teacher tells."""

    folder: str
    tiers: tuple[str, ...] = ("free",)
    min_caption_quality: int = Field(default=1, ge=0, le=2)
    unlabelled: tuple[str, ...] = ()


class AudioSection(Section):
    """`residual_in_use`: what the head's residual, learnt on captions, is multiplied by once the
    tower is trained. Below 1 the class scores count for more, which helps on unknown sources."""

    multiplier: float = Field(default=1.0, gt=0)
    width: int = Field(default=960, ge=8)
    head_hidden: int = Field(default=512, ge=8)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    window_patches: int = Field(default=3, ge=1)
    residual_in_use: float = Field(default=1.0, ge=0)


class AugmentSection(Section):
    """What a window goes through before teacher and student hear it.

    Shares of windows: `mixed` (two clips), `collage` (up to four cuts, without captions), the rest
    solo. `balance_db`: level of a second clip against the first, uniform in ±. `natural_level`:
    share that keeps its clip's level, changed by ± `gain_db`; the others peak at up to 2.5 times
    `gain_db` below full scale. `speed`: playback within 1/speed … speed, pitch and tempo together.
    `tilt_db`: a spectral tilt of up to ±. `equaliser`, `low_pass`, `room`, `noise`: shares.
    """

    mixed: float = Field(default=0.35, ge=0, le=1)
    collage: float = Field(default=0.4, ge=0, le=1)
    balance_db: float = Field(default=10.0, ge=0)
    natural_level: float = Field(default=0.5, ge=0, le=1)
    gain_db: float = Field(default=12.0, ge=0)
    speed: float = Field(default=1.0, ge=1)
    tilt_db: float = Field(default=0.0, ge=0)
    equaliser: float = Field(default=0.0, ge=0, le=1)
    low_pass: float = Field(default=0.0, ge=0, le=1)
    room: float = Field(default=0.0, ge=0, le=1)
    noise: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.mixed + self.collage > 1.0:
            raise ValueError("mixed and collage are shares of all windows: at most 1 together")
        return self

    def shares(self) -> tuple[float, float, float]:
        """Of solo, mixed and collage windows."""
        return max(0.0, 1.0 - self.mixed - self.collage), self.mixed, self.collage


class ObjectiveSection(Section):
    """Weights of the terms; 0 leaves one out."""

    nt_xent: float = Field(default=0.0, ge=0)
    teacher_embedding: float = Field(default=0.0, ge=0)
    teacher_scores: float = Field(default=0.0, ge=0)
    teacher_features: float = Field(default=0.0, ge=0)


class OptimiserSection(Section):
    steps: int = Field(ge=1)
    warmup_steps: int = Field(default=200, ge=0)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    windows: int = Field(default=32, ge=2)
    ema: float = Field(default=0.999, ge=0, lt=1)
    clip_norm: float = Field(default=5.0, gt=0)


class RunSection(Section):
    """`bf16`: the student in bfloat16 where it computes on a GPU (on a processor its convolutions
    are faster without). `cache`: a folder for what several runs derive from the same data; null:
    in the run's."""

    checkpoint_steps: int = Field(default=500, ge=1)
    evaluate_steps: int = Field(default=1000, ge=1)
    log_steps: int = Field(default=50, ge=1)
    threads: int | None = Field(default=None, ge=1)
    device: str = "auto"
    bf16: bool = True
    cache: str | None = None


class Recipe(RecipeBase):
    """Everything that decides a run, but for where its files go. `words` is the folder of the run
    that made the text tower; the audio tower learns beside it, in the same space."""

    system: Literal["distilled"] = "distilled"
    data: DataSection
    audio: AudioSection = AudioSection()
    words: str = "runs/words"
    augment: AugmentSection = AugmentSection()
    objective: ObjectiveSection
    optimiser: OptimiserSection
    run: RunSection = RunSection()
