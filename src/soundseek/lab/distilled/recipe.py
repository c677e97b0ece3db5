"""Recipes of the embedded model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from soundseek.lab.recipe_files import RecipeBase, Section


class DataSection(Section):
    """`folder` holds clips.jsonl, text/ and weights/; `tiers` are those trained on."""

    folder: str
    tiers: tuple[str, ...] = ("free",)
    min_caption_quality: int = Field(default=1, ge=0, le=2)
    texts: tuple[str, ...] = ()
    joined_texts: int = Field(default=0, ge=0)
    short_texts: int = Field(default=0, ge=0)


class AudioSection(Section):
    multiplier: float = Field(default=1.0, gt=0)
    width: int = Field(default=960, ge=8)
    head_hidden: int = Field(default=512, ge=8)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    window_patches: int = Field(default=3, ge=1)


class TextSection(Section):
    vocabulary: int = Field(default=8192, ge=64)
    width: int = Field(default=256, ge=8)
    layers: int = Field(default=3, ge=1)
    heads: int = Field(default=4, ge=1)
    max_tokens: int = Field(default=48, ge=4)
    dropout: float = Field(default=0.1, ge=0, lt=1)


class AugmentSection(Section):
    """See `soundseek.lab.augment.mixing.MixingRange`; `collage` is the share of windows filled
    with several clips for distillation alone."""

    mix_probability: float = Field(default=0.5, ge=0, le=1)
    balance_db: float = Field(default=10.0, ge=0)
    gain_db: float = Field(default=12.0, ge=0)
    speed: float = Field(default=1.0, ge=1)
    tilt_db: float = Field(default=0.0, ge=0)
    collage: float = Field(default=0.5, ge=0, le=1)


class ObjectiveSection(Section):
    """Weights of the terms; 0 leaves one out."""

    nt_xent: float = Field(default=0.0, ge=0)
    teacher_embedding: float = Field(default=0.0, ge=0)
    teacher_scores: float = Field(default=0.0, ge=0)
    teacher_features: float = Field(default=0.0, ge=0)
    text_embedding: float = Field(default=0.0, ge=0)


class OptimiserSection(Section):
    steps: int = Field(ge=1)
    warmup_steps: int = Field(default=200, ge=0)
    learning_rate: float = Field(gt=0)
    text_learning_rate: float = Field(gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    windows: int = Field(default=32, ge=2)
    texts: int = Field(default=64, ge=1)
    ema: float = Field(default=0.999, ge=0, lt=1)
    clip_norm: float = Field(default=5.0, gt=0)


class RunSection(Section):
    checkpoint_steps: int = Field(default=500, ge=1)
    evaluate_steps: int = Field(default=1000, ge=1)
    log_steps: int = Field(default=50, ge=1)
    threads: int | None = Field(default=None, ge=1)


class Recipe(RecipeBase):
    """Everything that decides a run, but for where its files go."""

    system: Literal["distilled"] = "distilled"
    data: DataSection
    audio: AudioSection = AudioSection()
    text: TextSection = TextSection()
    augment: AugmentSection = AugmentSection()
    objective: ObjectiveSection
    optimiser: OptimiserSection
    run: RunSection = RunSection()
