from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from soundseek.audio.frontends import PRESETS, features
from soundseek.errors import RecipeError
from soundseek.lab.augment.equalise import band_gains_db, equalised

pytestmark = pytest.mark.lab

SPEC = PRESETS["yamnet_16k"]


@pytest.mark.parametrize(("spectrum", "per_db"), [("magnitude", 20.0), ("power", 10.0)])
def test_equals_a_gain_of_every_band_before_the_logarithm(spectrum: str, per_db: float) -> None:
    spec = replace(SPEC, spectrum=spectrum)
    rng = np.random.default_rng(1)
    mel = rng.exponential(1.0, (2, 5, spec.bands))
    gains = rng.uniform(-12, 12, (2, spec.bands))
    expected = np.log(mel * 10 ** (gains / per_db)[:, None, :] + spec.floor)
    got = equalised(torch.from_numpy(np.log(mel + spec.floor)), torch.from_numpy(gains), spec)
    np.testing.assert_allclose(got.numpy(), expected, rtol=0, atol=1e-9)


def test_equals_a_filter_on_the_waveform() -> None:
    """A gain of 6 dB everywhere is the sound at twice the amplitude."""
    wave = np.random.default_rng(2).standard_normal(16_000).astype(np.float32) * 0.1
    plain = torch.from_numpy(features(wave, SPEC))[None]
    gains = torch.full((1, SPEC.bands), 20 * float(np.log10(2)))
    expected = features(wave * 2, SPEC)
    np.testing.assert_allclose(equalised(plain, gains, SPEC)[0].numpy(), expected, atol=1e-4)


def test_no_gain_changes_nothing_and_silence_stays_silent() -> None:
    silence = torch.full((1, 3, SPEC.bands), float(np.log(SPEC.floor)))
    loud = torch.full((1, SPEC.bands), 30.0)
    torch.testing.assert_close(equalised(silence, loud, SPEC), silence, rtol=0, atol=1e-3)
    sound = torch.randn(1, 3, SPEC.bands, generator=torch.Generator().manual_seed(1))
    none = torch.zeros(1, SPEC.bands)
    torch.testing.assert_close(equalised(sound, none, SPEC), sound, rtol=0, atol=1e-4)


def test_a_tilt_runs_straight_from_the_first_band_to_the_last() -> None:
    gains = band_gains_db(torch.tensor([9.0, -4.0, 0.0]), SPEC)
    assert gains.shape == (3, SPEC.bands)
    assert (gains[:, -1] - gains[:, 0]).tolist() == [9.0, -4.0, 0.0]
    np.testing.assert_allclose(gains.mean(1), 0.0, atol=1e-6)
    np.testing.assert_allclose(np.diff(gains.numpy(), n=2), 0.0, atol=1e-5)


@pytest.mark.parametrize("preset", ["panns_32k", "passt_32k", "beats_16k"])
def test_other_logarithms_are_refused(preset: str) -> None:
    spec = PRESETS[preset]
    with pytest.raises(RecipeError, match="without normalisation"):
        equalised(torch.zeros(1, 2, spec.bands), torch.zeros(1, spec.bands), spec)
