"""What may happen to a training item: typed, frozen settings; everything is off by default."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from soundseek.errors import RecipeError
from soundseek.lab.augment.back_translation import LANGUAGES
from soundseek.lab.augment.eda import EdaRange
from soundseek.lab.augment.spectrogram import Convention, StripeRange
from soundseek.lab.augment.waveform import WaveformRange

_COUNTS = (
    "time_masks",
    "spec_time_stripes",
    "spec_time_width",
    "spec_band_stripes",
    "spec_band_width",
)
MixStylePer = Literal["item", "batch"]


@dataclass(frozen=True, kw_only=True)
class TextAugment:
    """What may happen to a caption.

    Attributes:
        p_extra: exchange for an extra caption of the same clip.
        p_back_translation: exchange for a back translation, through one of `languages`.
        p_eda: one of EDA's four operations; `p_insert`, `p_delete`, `p_swap` and `p_synonym` are
            each operation's probability for a word.
    """

    p_extra: float = 0.0
    p_back_translation: float = 0.0
    languages: tuple[str, ...] = LANGUAGES
    p_eda: float = 0.0
    p_insert: float = 0.0
    p_delete: float = 0.0
    p_swap: float = 0.0
    p_synonym: float = 0.0

    def __post_init__(self) -> None:
        _raise_all("text augmentation", _probabilities(self))

    @property
    def eda(self) -> EdaRange:
        """The part of `eda.draw_eda`."""
        return EdaRange(self.p_eda, self.p_insert, self.p_delete, self.p_swap, self.p_synonym)


@dataclass(frozen=True, kw_only=True)
class AudioAugment:
    """What may happen to a sound.

    Attributes:
        gain_db, crop_s, time_masks, time_mask_s: see `waveform.WaveformRange`.
        spec_time_stripes, spec_time_width, spec_band_stripes, spec_band_width, spec_convention,
            spec_value: see `spectrogram.StripeRange` and `apply_stripes`.
        p_mixstyle, mixstyle_alpha, mixstyle_per, mixstyle_own_weighs_more: see
            `mixstyle.draw_mixstyle`. CP-JKU 2022 searched p_mixstyle and alpha in 0 … 1; the best
            were 0.1045 and 0.8286.
        mixup_share, mixup_alpha: see `mixup.draw_pairs`.
    """

    gain_db: float = 0.0
    crop_s: float | None = None
    time_masks: int = 0
    time_mask_s: float = 0.5
    spec_time_stripes: int = 0
    spec_time_width: int = 64
    spec_band_stripes: int = 0
    spec_band_width: int = 8
    spec_convention: Convention = "panns"
    spec_value: float = 0.0
    p_mixstyle: float = 0.0
    mixstyle_alpha: float = 0.4
    mixstyle_per: MixStylePer = "item"
    mixstyle_own_weighs_more: bool = True
    mixup_share: float = 0.0
    mixup_alpha: float = 0.4

    def __post_init__(self) -> None:
        problems = _probabilities(self)
        problems += [
            f"{name} is {getattr(self, name)!r}, but it must be a number that is not below 0"
            for name in ("gain_db", "time_mask_s")
            if not (_is_number(getattr(self, name)) and getattr(self, name) >= 0)
        ]
        problems += [
            f"{name} is {getattr(self, name)!r}, but it must be a whole number, 0 or more"
            for name in _COUNTS
            if type(getattr(self, name)) is not int or getattr(self, name) < 0
        ]
        above_0 = ["mixstyle_alpha", "mixup_alpha"] + ["crop_s"] * (self.crop_s is not None)
        problems += [
            f"{name} is {getattr(self, name)!r}, but it must be a number above 0"
            for name in above_0
            if not (_is_number(getattr(self, name)) and getattr(self, name) > 0)
        ]
        for name, choices in (("spec_convention", Convention), ("mixstyle_per", MixStylePer)):
            if getattr(self, name) not in get_args(choices):
                problems.append(
                    f"{name} is {getattr(self, name)!r}; choices: {', '.join(get_args(choices))}"
                )
        _raise_all("audio augmentation", problems)

    @property
    def waveform(self) -> WaveformRange:
        """The part of `waveform.draw_waveform`."""
        return WaveformRange(self.gain_db, self.crop_s, self.time_masks, self.time_mask_s)

    @property
    def stripes(self) -> StripeRange:
        """The part of `spectrogram.draw_stripes`."""
        return StripeRange(
            self.spec_time_stripes,
            self.spec_time_width,
            self.spec_band_stripes,
            self.spec_band_width,
            self.spec_convention,
        )


def _probabilities(settings: Any) -> list[str]:
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    return [
        f"{name} is {value!r}, but it must be a number between 0 and 1"
        for name, value in values.items()
        if name.startswith("p_") or name.endswith("_share")
        if not (_is_number(value) and 0.0 <= value <= 1.0)
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _raise_all(what: str, problems: list[str]) -> None:
    if problems:
        raise RecipeError(f"{what}:" + "".join(f"\n  - {problem}" for problem in problems))
