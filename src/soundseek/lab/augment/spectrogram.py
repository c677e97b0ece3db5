"""SpecAugment: stripes of time and of frequency taken out of a spectrogram; drawn, then applied.

Park et al. 2019, "SpecAugment", without the time warp. A plan holds fractions, so that it can be
drawn before the number of frames is known and falls within an item's own frames whatever the
padding behind them: a batch gives what its single items give. Two public conventions place the
stripes (torchlibrosa's, which PANNs and the CP-JKU 2022 study train with, and torchaudio's, which
PaSST trains with).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from soundseek.errors import RecipeError

Convention = Literal["panns", "torchaudio"]


@dataclass(frozen=True)
class StripeRange:
    """How many stripes are taken out and how wide they may be, in frames and in bands.

    `convention` "panns": a width is one of 0 … width - 1, and a stripe never touches the last cell;
    "torchaudio": width and place are real numbers cut to whole cells. CP-JKU 2022 searched
    `band_stripes` in {0, 1}, `band_width` in 1 … 32, `time_stripes` in 0 … 8 and `time_width` in
    1 … 64; the best were 1, 4, 7 and 58 (table 4). PANNs: 2 of 64 frames, 2 of 8 bands.
    """

    time_stripes: int = 0
    time_width: int = 64
    band_stripes: int = 0
    band_width: int = 8
    convention: Convention = "panns"


class Fractions(NamedTuple):
    """A stripe before the size of the spectrogram is known: both in [0, 1)."""

    width: float
    begin: float


class Stripe(NamedTuple):
    """Cells `begin` … `begin + width - 1` of one axis."""

    begin: int
    width: int


@dataclass(frozen=True)
class StripePlan:
    """The stripes of one training item."""

    time: tuple[Fractions, ...]
    bands: tuple[Fractions, ...]


@dataclass(frozen=True)
class Stripes:
    """The stripes of one spectrogram."""

    time: tuple[Stripe, ...] = ()
    bands: tuple[Stripe, ...] = ()


def draw_stripes(rng: np.random.Generator, ranges: StripeRange) -> StripePlan:
    """Draw one item's plan."""
    draws = rng.random((ranges.time_stripes + ranges.band_stripes, 2)).tolist()
    fractions = tuple(Fractions(width, begin) for width, begin in draws)
    return StripePlan(fractions[: ranges.time_stripes], fractions[ranges.time_stripes :])


def place_stripe(drawn: Fractions, width: int, total: int, convention: Convention) -> Stripe:
    """Where a stripe of at most `width` lies among `total` cells; never beyond them."""
    if convention == "panns":
        cells = min(int(drawn.width * width), total)
        return Stripe(int(drawn.begin * max(1, total - cells)), cells)
    # The place is drawn with the real width, not with the one that is cut to whole cells.
    real = min(drawn.width * width, total)
    return Stripe(int(drawn.begin * (total - real)), int(real))


def place_stripes(plan: StripePlan, ranges: StripeRange, frames: int, bands: int) -> Stripes:
    """Place a plan's stripes on a spectrogram of `frames` frames and `bands` bands."""
    how = ranges.convention
    return Stripes(
        time=tuple(place_stripe(drawn, ranges.time_width, frames, how) for drawn in plan.time),
        bands=tuple(place_stripe(drawn, ranges.band_width, bands, how) for drawn in plan.bands),
    )


def without_stripes(features: Tensor, stripes: Sequence[Stripes], value: float = 0.0) -> Tensor:
    """Write `value` into every cell of the stripes, one `Stripes` an item; the input stays as is.

    `features` is `[batch, frames, bands]` or `[batch, channels, frames, bands]`. Raises
    `RecipeError` when there is not one entry an item.
    """
    _check_batch(features, len(stripes))
    frames, bands = features.shape[-2:]
    time_mask = np.zeros((len(stripes), frames), bool)
    band_mask = np.zeros((len(stripes), bands), bool)
    for row, item in enumerate(stripes):
        for mask, drawn in ((time_mask, item.time), (band_mask, item.bands)):
            for begin, width in drawn:
                mask[row, begin : begin + width] = True
    cells = torch.from_numpy(time_mask[:, :, None] | band_mask[:, None, :]).to(features.device)
    return features.masked_fill(cells if features.ndim == 3 else cells[:, None], value)


def apply_stripes(
    features: Tensor,
    plans: Sequence[StripePlan],
    ranges: StripeRange,
    *,
    lengths: Tensor | None = None,
    value: float = 0.0,
) -> Tensor:
    """SpecAugment with one plan an item.

    Args:
        features: `[batch, frames, bands]` or `[batch, channels, frames, bands]`; left as it is.
        plans: one an item, drawn from `ranges`.
        lengths: `[batch]`, the valid frames of each item (None: all): time stripes fall there.
        value: what is written. 0 is the mean of a spectrogram after a batch norm or a
            standardisation. PaSST writes 0 into the logarithm, before its fixed (x + 4.5) / 5: give
            0.9 for features that are already scaled so.

    Raises `RecipeError` when there is not one plan an item.
    """
    _check_batch(features, len(plans))
    frames, bands = features.shape[-2:]
    valid = [frames] * len(plans) if lengths is None else lengths.tolist()
    placed = [
        place_stripes(plan, ranges, min(int(length), frames), bands)
        for plan, length in zip(plans, valid, strict=True)
    ]
    return without_stripes(features, placed, value)


def _check_batch(features: Tensor, plans: int) -> None:
    if features.ndim not in (3, 4):
        raise RecipeError(
            f"stripes need features [batch, frames, bands] or [batch, channels, frames, bands], "
            f"not {list(features.shape)}"
        )
    if len(features) != plans:
        raise RecipeError(f"{plans} stripe plans for a batch of {len(features)}")
