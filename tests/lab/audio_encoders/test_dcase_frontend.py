from __future__ import annotations

import pytest

pytest.importorskip("torch")

from soundseek.audio.frontends import PRESETS
from soundseek.errors import RecipeError
from soundseek.lab.audio_encoders.dcase_frontend import dcase2022_frontend

pytestmark = pytest.mark.lab


def test_the_baseline_s_is_the_preset() -> None:
    assert dcase2022_frontend("dcase2022_44k") == PRESETS["dcase2022_44k"]


def test_at_16_khz_it_has_the_same_times_and_bands() -> None:
    at_44k, at_16k = (dcase2022_frontend(f"dcase2022_{rate}k") for rate in (44, 16))
    assert at_16k.sample_rate == 16_000
    for size in ("window_samples", "hop_samples"):
        theirs = getattr(at_44k, size) / at_44k.sample_rate
        assert getattr(at_16k, size) / at_16k.sample_rate == pytest.approx(theirs)
    assert at_16k.fft_size == 1024
    same = ("bands", "f_min", "f_max", "mel_scale", "compression", "floor", "padding", "spectrum")
    assert all(getattr(at_16k, name) == getattr(at_44k, name) for name in same)


def test_another_name_is_refused_with_the_choices() -> None:
    with pytest.raises(RecipeError, match="no DCASE 2022 front-end is called 'panns_32k'"):
        dcase2022_frontend("panns_32k")
