from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from soundseek.audio.frontends import PRESETS, features, least_samples, n_frames
from soundseek.errors import AudioError
from soundseek.lab.frontends import FrontEnd

pytestmark = pytest.mark.lab

_WAVEFORMS = Path(__file__).parents[1] / "parity" / "golden" / "waveforms.py"
_WAVEFORM = runpy.run_path(str(_WAVEFORMS))["waveform"]


def _bound(preset: str) -> float:
    """What float32 leaves: near silence the logarithm magnifies it. PANNs counts in dB."""
    return {"panns_32k": 2e-3, "panns_16k": 2e-3, "beats_16k": 1e-3}.get(preset, 2e-4)


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("name", ["short", "mid"])
def test_equals_numpy_on_the_parity_waveforms(preset: str, name: str) -> None:
    spec = PRESETS[preset]
    wave = _WAVEFORM(name, spec.sample_rate)
    got = FrontEnd(spec)(torch.from_numpy(wave)[None]).numpy()
    expected = features(wave[None], spec)
    assert got.shape == expected.shape == (1, n_frames(len(wave), spec), spec.bands)
    np.testing.assert_allclose(got, expected, rtol=0, atol=_bound(preset))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_equals_numpy_on_a_batch_of_noise(preset: str) -> None:
    spec = PRESETS[preset]
    waves = np.random.default_rng(5).standard_normal((3, 17_501)).astype(np.float32) * 0.2
    got = FrontEnd(spec)(torch.from_numpy(waves)).numpy()
    np.testing.assert_allclose(got, features(waves, spec), rtol=0, atol=_bound(preset))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_batch_gives_what_its_items_give(preset: str) -> None:
    frontend = FrontEnd(PRESETS[preset])
    waves = torch.randn(3, 9000, generator=torch.Generator().manual_seed(2)) * 0.1
    alone = torch.cat([frontend(wave[None]) for wave in waves])
    torch.testing.assert_close(frontend(waves), alone, rtol=0, atol=_bound(preset))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_the_shortest_waveform_gives_one_shape_in_both(preset: str) -> None:
    spec = PRESETS[preset]
    wave = np.full((1, least_samples(spec)), 0.1, np.float32)
    assert FrontEnd(spec)(torch.from_numpy(wave)).shape == features(wave, spec).shape


def test_the_tables_are_not_in_the_state() -> None:
    assert FrontEnd(PRESETS["yamnet_16k"]).state_dict() == {}


def test_one_waveform_without_a_batch_is_refused() -> None:
    with pytest.raises(AudioError, match=r"\[batch, samples\]"):
        FrontEnd(PRESETS["yamnet_16k"])(torch.zeros(16_000))
