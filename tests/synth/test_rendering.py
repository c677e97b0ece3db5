"""`render` keeps its promises for every kind: level, length, fades, seeds, and clear refusals."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.errors import SoundseekError
from soundseek.synth import KINDS, render, variants
from soundseek.synth.rendering import resampled


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_the_promises(kind: str) -> None:
    x = render(kind, seed=3, duration_s=1.5)
    assert x.dtype == np.float32
    assert x.shape == (48_000,)
    assert np.all(np.isfinite(x))
    assert 0.3 <= np.max(np.abs(x)) <= 0.9
    assert abs(float(x.mean())) < 1e-3
    assert np.max(np.abs(x[:3])) < 0.05
    assert np.max(np.abs(x[-3:])) < 0.05
    assert float(np.sqrt(np.mean(x**2))) > 0.002


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_very_short_at_a_low_rate(kind: str) -> None:
    x = render(kind, duration_s=0.05, sample_rate=8000)
    assert x.shape == (400,)
    assert 0.3 <= np.max(np.abs(x)) <= 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_repeats_itself_and_varies(kind: str) -> None:
    first = render(kind, seed=5, duration_s=0.6)
    np.testing.assert_array_equal(first, render(kind, seed=5, duration_s=0.6))
    for other in (
        render(kind, seed=6, duration_s=0.6),
        render(kind, seed=5, variant=1, duration_s=0.6),
    ):
        assert not np.allclose(first, other)


def test_the_length_is_the_kinds_own_unless_given() -> None:
    assert len(render("door_knock")) == round(KINDS["door_knock"].duration_s * 32_000)


def test_variants_start_with_render() -> None:
    sounds = variants("dog_bark", 3, seed=2)
    assert len(sounds) == 3
    np.testing.assert_array_equal(sounds[0], render("dog_bark", seed=2))
    np.testing.assert_array_equal(sounds[2], render("dog_bark", seed=2, variant=2))
    assert variants("dog_bark", 0, seed=2) == []


def test_a_sound_is_the_same_in_another_process() -> None:
    code = (
        "from soundseek.synth import render; import numpy as np;"
        "print(repr(float(np.abs(render('rain', seed=1, duration_s=0.5)).sum())))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
        ).stdout.strip()
        for env in ({"PYTHONHASHSEED": "1", **_path()}, {"PYTHONHASHSEED": "2", **_path()})
    }
    here = float(np.abs(render("rain", seed=1, duration_s=0.5)).sum())
    assert [float(text) for text in outputs] == [pytest.approx(here, rel=1e-5)]


def _path() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(sys.path)}


def test_rates_render_the_same_sound() -> None:
    fine, coarse = render("owl", sample_rate=32_000), render("owl", sample_rate=16_000)
    np.testing.assert_allclose(fine[::2], coarse, atol=0.02)


@settings(max_examples=30, deadline=None)
@given(duration=st.floats(0.05, 1.0), rate=st.integers(4000, 192_000), seed=st.integers(0, 2**64))
def test_any_length_rate_and_seed(duration: float, rate: int, seed: int) -> None:
    x = render("clapping", seed=seed, duration_s=duration, sample_rate=rate)
    assert x.shape == (max(1, round(duration * rate)),)
    assert 0.3 <= np.max(np.abs(x)) <= 0.9


@pytest.mark.parametrize(("n", "m"), [(800, 400), (400, 800), (800, 441), (801, 400), (5, 9)])
def test_resampling_keeps_a_slow_wave(n: int, m: int) -> None:
    wave = np.sin(2 * np.pi * np.arange(n) / n)
    expected = np.sin(2 * np.pi * np.arange(m) / m)
    np.testing.assert_allclose(resampled(wave, m), expected, atol=1e-9)


def test_an_unknown_kind_lists_the_choices_and_the_nearest() -> None:
    with pytest.raises(SoundseekError) as caught:
        render("dogbark")
    assert "'dogbark'" in caught.value.message
    assert caught.value.remedy is not None
    assert "did you mean 'dog_bark'?" in caught.value.remedy
    assert all(name in caught.value.remedy for name in KINDS)


def test_an_unknown_kind_that_is_near_nothing_lists_the_choices() -> None:
    with pytest.raises(SoundseekError) as caught:
        render("")
    assert caught.value.remedy is not None
    assert caught.value.remedy.startswith("choices: ")


@pytest.mark.parametrize("duration", [0.0, -1.0, 0.01, 601.0, float("nan"), float("inf")])
def test_a_duration_out_of_range_is_refused(duration: float) -> None:
    with pytest.raises(SoundseekError, match="cannot last"):
        render("rain", duration_s=duration)


@pytest.mark.parametrize("rate", [0, -1, 3999, 192_001])
def test_a_rate_out_of_range_is_refused(rate: int) -> None:
    with pytest.raises(SoundseekError, match=f"{rate} Hz"):
        render("rain", sample_rate=rate)


@pytest.mark.parametrize(("seed", "variant"), [(-1, 0), (0, -1)])
def test_negative_seeds_are_refused(seed: int, variant: int) -> None:
    with pytest.raises(SoundseekError, match="must not be negative"):
        render("rain", seed=seed, variant=variant)
