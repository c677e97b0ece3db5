from __future__ import annotations

import math

import numpy as np
import pytest

from soundseek.audio.mel import MelScale, mel_matrix
from soundseek.errors import AudioError

CASES = [
    (44_100, 2048, 64, 12.0, 8000.0),
    (16_000, 512, 40, 0.0, 8000.0),
    (8000, 256, 23, 20, 3800),
]


@pytest.mark.parametrize("case", CASES)
def test_slaney_equals_librosa(case: tuple[int, int, int, float, float]) -> None:
    librosa = pytest.importorskip("librosa")
    rate, fft_size, bands, f_min, f_max = case
    expected = librosa.filters.mel(sr=rate, n_fft=fft_size, n_mels=bands, fmin=f_min, fmax=f_max)
    np.testing.assert_allclose(mel_matrix("slaney", *case), expected.T, rtol=0, atol=3e-9)


def naive_htk(rate: int, fft_size: int, bands: int, f_min: float, f_max: float) -> np.ndarray:
    def mel(hz: float) -> float:
        return 1127.0 * math.log(1.0 + hz / 700.0)

    step = (mel(f_max) - mel(f_min)) / (bands + 1)
    weights = np.zeros((fft_size // 2 + 1, bands))
    for k in range(fft_size // 2 + 1):
        for band in range(bands):
            distance = abs(mel(k * rate / fft_size) - (mel(f_min) + (band + 1) * step))
            weights[k, band] = max(0.0, 1.0 - distance / step)
    return weights


@pytest.mark.parametrize("case", CASES)
def test_htk_and_kaldi_equal_the_definition(case: tuple[int, int, int, float, float]) -> None:
    expected = naive_htk(*case)
    htk, kaldi = mel_matrix("htk", *case), mel_matrix("kaldi", *case)
    np.testing.assert_allclose(htk[1:], expected[1:], rtol=0, atol=1e-6)
    np.testing.assert_allclose(kaldi[:-1], expected[:-1], rtol=0, atol=1e-6)
    assert not htk[0].any()
    assert not kaldi[-1].any()


@pytest.mark.parametrize("scale", ["slaney", "htk", "kaldi"])
def test_shape_type_and_sign(scale: MelScale) -> None:
    weights = mel_matrix(scale, 32_000, 1024, 64, 50.0, 14_000.0)
    assert weights.shape == (513, 64)
    assert weights.dtype == np.float32
    assert weights.min() == 0
    assert weights.any(axis=0).all()


@pytest.mark.parametrize(
    ("bands", "f_min", "f_max"), [(64, -1, 8000), (64, 50, 50), (64, 50, 8001), (0, 50, 8000)]
)
def test_impossible_bands_are_refused(bands: int, f_min: float, f_max: float) -> None:
    with pytest.raises(AudioError, match="mel bands from"):
        mel_matrix("slaney", 16_000, 512, bands, f_min, f_max)


def test_bands_between_two_bins_are_refused() -> None:
    with pytest.raises(AudioError, match="no bin of a 64-point spectrum"):
        mel_matrix("htk", 16_000, 64, 4, 260.0, 490.0)


def test_an_unknown_scale_names_the_choices() -> None:
    with pytest.raises(AudioError, match="use slaney, htk or kaldi"):
        mel_matrix("bark", 16_000, 512, 64, 50.0, 8000.0)  # type: ignore[arg-type]
