"""Augmentations against what public upstream code made of given draws (golden/README.md)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from soundseek.lab.augment.mixstyle import MixStylePlan, apply_mixstyle
from soundseek.lab.augment.mixup import PairMixPlan, mix_rows
from soundseek.lab.augment.spectrogram import (
    Fractions,
    Stripe,
    StripePlan,
    StripeRange,
    Stripes,
    apply_stripes,
    without_stripes,
)

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "golden" / "augment.golden.npz") as arrays:
        return dict(arrays)


def test_specaug(golden: dict[str, np.ndarray]) -> None:
    """torchlibrosa d4e8add6, 2 stripes of up to 64 frames and 2 of up to 8 bands; draws are
    [axis, clip, stripe] = (width, begin)."""
    time, bands = golden["specaug.draws"].tolist()
    stripes = [
        Stripes(
            tuple(Stripe(begin, width) for width, begin in time[clip]),
            tuple(Stripe(begin, width) for width, begin in bands[clip]),
        )
        for clip in range(3)
    ]
    got = without_stripes(torch.from_numpy(golden["specaug.x"]), stripes)
    np.testing.assert_array_equal(got.numpy(), golden["specaug.y"])


def test_specaug_from_fractions(golden: dict[str, np.ndarray]) -> None:
    """The same stripes when they come out of a plan: its fractions reach every cell they name."""
    ranges = StripeRange(2, 64, 2, 8, "panns")
    x = torch.from_numpy(golden["specaug.x"])
    plans = []
    for time, bands in zip(*golden["specaug.draws"].tolist(), strict=True):
        at = [
            tuple(
                Fractions((width + 0.5) / most, (begin + 0.5) / (total - width))
                for width, begin in drawn
            )
            for drawn, most, total in ((time, 64, x.shape[2]), (bands, 8, x.shape[3]))
        ]
        plans.append(StripePlan(*at))
    got = apply_stripes(x, plans, ranges)
    np.testing.assert_array_equal(got.numpy(), golden["specaug.y"])


def test_passt_masks(golden: dict[str, np.ndarray]) -> None:
    """torchaudio 2.8.0 as PaSST calls it: bands up to 48, then time up to 192; rand holds
    [band width, band begin, time width, time begin] of each clip."""
    draws = golden["passt_mask.rand"].astype(float).T.tolist()
    plans = [StripePlan((Fractions(c, d),), (Fractions(a, b),)) for a, b, c, d in draws]
    x = torch.from_numpy(golden["passt_mask.x"]).transpose(1, 2)
    ranges = StripeRange(1, 192, 1, 48, "torchaudio")
    got = apply_stripes(x, plans, ranges).transpose(1, 2).numpy()
    np.testing.assert_array_equal(got, golden["passt_mask.y"])
    only_bands = [StripePlan((), plan.bands) for plan in plans]
    got = apply_stripes(x, only_bands, ranges).transpose(1, 2).numpy()
    np.testing.assert_array_equal(got, golden["passt_mask.after_freq"])


@pytest.mark.parametrize("channels", [True, False])
def test_mixstyle(golden: dict[str, np.ndarray], channels: bool) -> None:
    """EfficientAT a425fdce, layout (batch, channel, mel, time)."""
    plan = MixStylePlan(
        tuple(golden["mixstyle.perm"].tolist()), tuple(golden["mixstyle.lam"].ravel().tolist())
    )
    x, y = (torch.from_numpy(golden[f"mixstyle.{name}"]).transpose(2, 3) for name in "xy")
    got = apply_mixstyle(x, plan) if channels else apply_mixstyle(x[:, 0], plan)[:, None]
    np.testing.assert_allclose(got.numpy(), y.numpy(), rtol=0, atol=2e-6 * float(y.abs().max()))


def test_panns_mixup(golden: dict[str, np.ndarray]) -> None:
    """audioset_tagging_cnn d2f4b8c1: clips 2i and 2i + 1 become one."""
    weights = golden["panns_mixup.lam"].tolist()[::2]
    got = mix_rows(
        torch.from_numpy(golden["panns_mixup.x"]),
        PairMixPlan((0, 2, 4), (1, 3, 5), tuple(weights)),
    )
    np.testing.assert_allclose(got.numpy(), golden["panns_mixup.y"], rtol=0, atol=1e-6)
