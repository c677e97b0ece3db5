from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from soundseek.audio.frontends import PRESETS, features, n_frames
from soundseek.lab.augment.equalise import band_gains_db, equalised
from soundseek.lab.distilled.plans import Parts, Plan
from soundseek.lab.distilled.rendering import Renderer
from soundseek.lab.frontends import FrontEnd

pytestmark = pytest.mark.lab

SPEC = PRESETS["yamnet_16k"]
WINDOW = 20 * SPEC.hop_samples + SPEC.window_samples - SPEC.hop_samples
RNG = np.random.default_rng(1)
CLIPS = [
    (12_000 * np.sin(2 * np.pi * 440 * np.arange(9000) / 16_000)).astype(np.int16),
    RNG.integers(-3000, 3000, 2 * WINDOW).astype(np.int16),
    np.zeros(WINDOW, np.int16),
]
OFFSETS = np.concatenate([[0], np.cumsum([len(clip) for clip in CLIPS])])


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    samples = np.concatenate(CLIPS)
    samples.setflags(write=False)
    return Renderer(samples, OFFSETS, FrontEnd(SPEC), window_samples=WINDOW)


def cut(
    clip: int,
    *,
    window: int = 0,
    start: int = 0,
    speed: float = 1.0,
    onset: int = 0,
    samples: int = WINDOW,
    level_db: float = 0.0,
) -> tuple[Any, ...]:
    return window, clip, start, speed, onset, samples, level_db


def plan(*cuts: tuple[Any, ...], ends: list[int] | None = None, **changes: Any) -> Plan:
    """Nothing but these cuts, at their natural level."""
    columns = [np.array(column) for column in zip(*cuts, strict=True)]
    n = int(columns[0].max()) + 1
    zeros = np.zeros(n)
    kept = Plan(
        Parts(*columns),
        ends=np.array(ends or [WINDOW] * n),
        natural=np.ones(n, bool),
        gain_db=zeros,
        tilt_db=zeros,
        cut_band=np.full(n, SPEC.bands),
        curve_db=np.zeros((n, 8)),
        room_s=zeros,
        wet=zeros + 0.5,
        noise_db=np.full(n, np.inf),
        noise_slope=zeros,
        captioned=np.zeros(0, np.int64),
        rows=np.zeros((0, 2), np.int64),
        groups=np.zeros((0, 2), np.int64),
    )
    return replace(kept, **changes)


def waveform(clip: int, start: int = 0, samples: int = WINDOW) -> np.ndarray:
    return CLIPS[clip][start : start + samples].astype(np.float32) / 32767.0


def close(found: torch.Tensor, wave: np.ndarray, atol: float = 2e-3) -> None:
    np.testing.assert_allclose(found.numpy(), features(wave, SPEC), rtol=0, atol=atol)


def test_a_solo_window_is_the_clip_as_it_is(renderer: Renderer) -> None:
    got = renderer(plan(cut(1, start=777), cut(0, window=1, start=5)), 1)
    assert got.features.shape == (2, 20, SPEC.bands)
    assert got.lengths.tolist() == [20, 20]
    close(got.features[0], waveform(1, 777))
    close(got.features[1], waveform(0, 5))


def test_a_short_clip_is_followed_by_silence(renderer: Renderer) -> None:
    got = renderer(plan(cut(0, start=100, samples=1000), ends=[1000]), 1)
    assert got.lengths.tolist() == [n_frames(1000, SPEC)]
    wave = np.zeros(WINDOW, np.float32)
    wave[:1000] = waveform(0, 100, 1000)
    close(got.features[0], wave)


def test_speed_is_linear_interpolation(renderer: Renderer) -> None:
    got = renderer(plan(cut(0, start=10, speed=1.25)), 1)
    at = 10 + 1.25 * np.arange(WINDOW)
    whole = CLIPS[0].astype(np.float64) / 32767.0
    close(got.features[0], np.interp(at, np.arange(len(whole)), whole).astype(np.float32), 5e-3)


def test_a_second_cut_is_mixed_in_its_place_at_its_level(renderer: Renderer) -> None:
    got = renderer(plan(cut(1), cut(0, onset=500, samples=1500, level_db=-6.0)), 1)
    first, second = waveform(1), np.zeros(WINDOW, np.float32)
    tone = waveform(0, 0, 1500)
    ratio = np.sqrt(np.mean(first**2) / np.mean(tone**2)) * 10 ** (-6 / 20)
    second[500:2000] = tone * ratio
    close(got.features[0], first + second, 5e-3)


def test_windows_do_not_mix(renderer: Renderer) -> None:
    alone = renderer(plan(cut(1, start=50)), 1).features[0]
    beside = renderer(plan(cut(0), cut(1, window=1, start=50)), 1).features[1]
    torch.testing.assert_close(alone, beside, rtol=0, atol=1e-4)


def test_levels(renderer: Renderer) -> None:
    """A natural level is changed by the gain, but never beyond full scale; others are set."""
    two = (cut(0), cut(0, window=1), cut(0, window=2))
    got = renderer(
        plan(
            *two,
            gain_db=np.array([-10.0, 40.0, -20.0]),
            natural=np.array([True, True, False]),
        ),
        1,
    )
    wave = waveform(0)
    close(got.features[0], wave * np.float32(10 ** (-10 / 20)))
    close(got.features[1], wave * np.float32(0.99 / np.abs(wave).max()), 5e-3)
    close(got.features[2], wave * np.float32(0.099 / np.abs(wave).max()), 5e-3)


def test_silence_stays_silence(renderer: Renderer) -> None:
    silent = plan(cut(2), cut(2, onset=9, samples=99), room_s=np.array([0.5]))
    got = renderer(replace(silent, natural=np.array([False])), 1)
    assert got.features.isfinite().all()
    np.testing.assert_allclose(got.features.numpy(), np.log(SPEC.floor), rtol=0, atol=0.01)


def test_filters(renderer: Renderer) -> None:
    plain = renderer(plan(cut(1)), 1).features
    got = renderer(
        plan(
            cut(1),
            tilt_db=np.array([6.0]),
            cut_band=np.array([40]),
            curve_db=np.full((1, 8), 3.0),
        ),
        1,
    ).features
    gains = band_gains_db(torch.tensor([6.0]), SPEC) + 3.0
    expected = equalised(plain, gains, SPEC)
    torch.testing.assert_close(got[..., :40], expected[..., :40], rtol=0, atol=1e-3)
    np.testing.assert_allclose(got[..., 40:].numpy(), np.log(SPEC.floor), rtol=0, atol=0.03)


def test_noise_lies_as_far_below_the_sound_as_asked_and_ends_with_it(renderer: Renderer) -> None:
    quiet = renderer(plan(cut(2), cut(0, samples=2000), ends=[2000]), 1).features
    for slope in (0.0, 1.0, 2.0):
        noisy = plan(
            cut(0, samples=2000),
            ends=[2000],
            noise_db=np.array([0.0]),
            noise_slope=np.array([slope]),
        )
        got = renderer(noisy, 1).features
        assert not torch.allclose(got, renderer(noisy, 2).features, atol=0.1)
        torch.testing.assert_close(got, renderer(noisy, 1).features)
        # Past the sound there is none, but for the frames that reach into it.
        last = 2000 // SPEC.hop_samples + 1
        np.testing.assert_allclose(got[0, last:].numpy(), np.log(SPEC.floor), rtol=0, atol=0.01)
        assert (got[0, : last - 3] - quiet[0, : last - 3]).abs().mean() > 0.3


def test_a_room_lengthens_the_sound_within_what_counts(renderer: Renderer) -> None:
    click = (cut(0, samples=400),)
    dry = renderer(plan(*click), 1).features[0]
    wet = renderer(plan(*click, room_s=np.array([1.0]), wet=np.array([1.0])), 1).features[0]
    after = slice(8, None)
    assert (wet[after] > dry[after] + 1.0).float().mean() > 0.9
    ended = renderer(
        plan(*click, ends=[400], room_s=np.array([1.0]), wet=np.array([1.0])), 1
    ).features[0]
    np.testing.assert_allclose(ended[after].numpy(), np.log(SPEC.floor), rtol=0, atol=0.01)
