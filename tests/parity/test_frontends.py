"""Front-ends against arrays recorded from the public upstream code (see golden/README.md)."""

from __future__ import annotations

import hashlib
import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from soundseek.audio.frontends import PRESETS, FrontEndSpec, analysis_window, features, mel_weights

Floats = NDArray[np.float32]

GOLDEN = Path(__file__).parent / "golden"
SPEC = json.loads((GOLDEN / "frontends.spec.json").read_text())
_WAVEFORM = runpy.run_path(str(GOLDEN / "waveforms.py"))["waveform"]

DCASE = PRESETS["dcase2022_44k"]
BEATS = PRESETS["beats_16k"]


@pytest.fixture(scope="module")
def golden() -> dict[str, Floats]:
    with np.load(GOLDEN / "frontends.golden.npz") as arrays:
        return dict(arrays)


def sound(spec: FrontEndSpec) -> Floats:
    wave: Floats = _WAVEFORM("mid", spec.sample_rate)
    return wave


@pytest.mark.parametrize("rate", [16_000, 32_000, 44_100])
@pytest.mark.parametrize("name", ["short", "mid", "long"])
def test_the_waveforms_are_those_the_arrays_were_recorded_from(name: str, rate: int) -> None:
    digest = hashlib.sha256(_WAVEFORM(name, rate).tobytes()).hexdigest()[:16]
    assert digest == SPEC["waveforms_sha256_16"][str(rate)][name]


# Bounds: what float32 leaves between two correct computations. PANNs computes its transform by
# convolution, which alone differs from an FFT by up to 0.0011 dB.
@pytest.mark.parametrize(
    ("array", "spec", "bound"),
    [
        ("panns_32k.logmel", PRESETS["panns_32k"], 0.0011),
        ("panns_16k.logmel", PRESETS["panns_16k"], 0.0011),
        ("baseline_44k.logmel", DCASE, 5e-5),
        ("baseline_44k.logmel_reflect_pad", replace(DCASE, padding="reflect"), 5e-5),
        ("librosa_44k.power_to_db", replace(DCASE, compression="db", floor=1e-10), 2e-4),
    ],
)
def test_log_mel(golden: dict[str, Floats], array: str, spec: FrontEndSpec, bound: float) -> None:
    got = features(sound(spec), spec)
    assert got.shape == golden[array].shape
    np.testing.assert_allclose(got, golden[array], rtol=0, atol=bound)


def test_vggish_examples(golden: dict[str, Floats]) -> None:
    expected = golden["vggish_16k.examples"]
    spec = PRESETS["vggish_16k"]
    got = features(sound(spec), spec)
    assert len(got) == 498
    np.testing.assert_allclose(got[:480].reshape(expected.shape), expected, rtol=0, atol=3e-5)


def test_yamnet_is_vggish_with_another_offset(golden: dict[str, Floats]) -> None:
    magnitude = np.exp(golden["vggish_16k.examples"].astype(np.float64)) - 0.01
    expected = np.log(np.maximum(magnitude, 0) + 0.001).reshape(480, 64)
    spec = PRESETS["yamnet_16k"]
    np.testing.assert_allclose(features(sound(spec), spec)[:480], expected, rtol=0, atol=2e-4)


def test_beats_filter_bank(golden: dict[str, Floats]) -> None:
    """Upstream's own float32 rounding shows in the lowest bands, up to 0.0057."""
    plain = replace(BEATS, mean=0.0, scale=1.0)
    got, expected = features(sound(plain), plain), golden["beats_16k.fbank"]
    assert got.shape == expected.shape
    difference = np.abs(got - expected)
    assert difference.max() < 0.0057
    assert np.quantile(difference, 0.999) < 8e-4
    assert np.all(got[:, 3] == np.log(np.finfo(np.float32).eps))  # Kaldi's empty band


def test_beats_normalisation(golden: dict[str, Floats]) -> None:
    got = features(sound(BEATS), BEATS)
    stride = SPEC["arrays"]["beats_16k.fbank_normalised"]["stride"]
    expected = golden["beats_16k.fbank_normalised"]
    np.testing.assert_allclose(got.reshape(-1)[::stride], expected, rtol=0, atol=5e-4)


def test_passt(golden: dict[str, Floats]) -> None:
    spec = PRESETS["passt_32k"]
    got = features(sound(spec), spec)
    np.testing.assert_allclose(got.T, golden["passt_32k.mel"], rtol=0, atol=3e-4)
    assert np.abs(got.T - golden["passt_32k.mel"]).mean() < 5e-6


@pytest.mark.parametrize("name", ["panns_32k", "panns_16k", "baseline_44k", "vggish_16k"])
def test_mel_matrix(golden: dict[str, Floats], name: str) -> None:
    spec = PRESETS.get(name, DCASE)
    np.testing.assert_allclose(mel_weights(spec), golden[f"{name}.mel_matrix"], rtol=0, atol=2e-9)


@pytest.mark.parametrize("name", ["beats_16k", "passt_32k"])
def test_kaldi_mel_matrix(golden: dict[str, Floats], name: str) -> None:
    """Upstream computes it in float32 from mel values up to 2840: hence 1.4e-5."""
    weights = mel_weights(PRESETS[name])
    np.testing.assert_allclose(weights[:-1].T, golden[f"{name}.mel_matrix"], rtol=0, atol=2e-5)
    assert not weights[-1].any()


def test_povey_window(golden: dict[str, Floats]) -> None:
    np.testing.assert_allclose(
        analysis_window(BEATS), golden["beats_16k.window"], rtol=0, atol=3e-7
    )


@pytest.mark.parametrize(
    ("array", "spec", "mistake"),
    [
        ("panns_32k.logmel", PRESETS["panns_32k"], {"padding": "zeros"}),
        ("panns_32k.logmel", PRESETS["panns_32k"], {"window": "hann_symmetric"}),
        ("panns_32k.logmel", PRESETS["panns_32k"], {"f_max": 16_000.0}),
        ("panns_32k.logmel", PRESETS["panns_32k"], {"mel_scale": "htk"}),
        ("baseline_44k.logmel", DCASE, {"padding": "reflect"}),
        ("beats_16k.fbank", replace(BEATS, mean=0.0, scale=1.0), {"window": "hann_symmetric"}),
        ("beats_16k.fbank", replace(BEATS, mean=0.0, scale=1.0), {"remove_frame_mean": False}),
    ],
)
def test_the_bounds_are_sharp(
    golden: dict[str, Floats], array: str, spec: FrontEndSpec, mistake: dict[str, object]
) -> None:
    wrong = FrontEndSpec.from_dict(spec.to_dict() | mistake)
    assert np.abs(features(sound(wrong), wrong) - golden[array]).max() > 0.01
