from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.audio.frontends import (
    PRESETS,
    FrontEndSpec,
    analysis_window,
    features,
    least_samples,
    mel_weights,
    n_frames,
)
from soundseek.errors import AudioError


def noise(n: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def naive(waveform: np.ndarray, spec: FrontEndSpec) -> np.ndarray:
    """The description of the fields, read aloud: one frame after the other, in float64."""
    x = waveform.astype(np.float64) * spec.gain
    if spec.pre_emphasis == "clip":
        x = x[1:] - spec.pre_emphasis_coefficient * x[:-1]
    start = 0
    if spec.padding != "none":
        half = spec.fft_size // 2
        x = np.pad(x, half, mode="reflect" if spec.padding == "reflect" else "constant")
        start = (spec.fft_size - spec.window_samples) // 2
    rows = []
    for t in range(n_frames(waveform.size, spec)):
        frame = x[start + t * spec.hop_samples :][: spec.window_samples]
        if spec.remove_frame_mean:
            frame = frame - frame.mean()
        if spec.pre_emphasis == "frame":
            frame = frame - spec.pre_emphasis_coefficient * np.r_[frame[0], frame[:-1]]
        spectrum = np.abs(np.fft.rfft(frame * analysis_window(spec), spec.fft_size))
        rows.append((spectrum if spec.spectrum == "magnitude" else spectrum**2) @ mel_weights(spec))
    mel = np.array(rows)
    if spec.compression == "db":
        mel = 10 * np.log10(np.maximum(mel, spec.floor))
    elif spec.compression == "ln_floor":
        mel = np.log(np.maximum(mel, spec.floor))
    else:
        mel = np.log(mel + spec.floor)
    return (mel - spec.mean) / spec.scale


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("extra", [0, 1, 319, 60_000])
def test_equals_the_naive_way(name: str, extra: int) -> None:
    spec = PRESETS[name]
    x = noise(least_samples(spec) + extra, seed=extra)
    got = features(x, spec)
    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    np.testing.assert_allclose(got, naive(x, spec), rtol=0, atol=6e-3)
    assert np.abs(got - naive(x, spec)).mean() < 1e-4


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(PRESETS)), st.integers(0, 9000))
def test_n_frames_counts_what_features_gives(name: str, extra: int) -> None:
    spec = PRESETS[name]
    n = least_samples(spec) + extra
    assert features(noise(n), spec).shape == (n_frames(n, spec), spec.bands)


@pytest.mark.parametrize(
    ("name", "seconds", "frames"),
    [
        ("panns_32k", 10, 1001),
        ("panns_16k", 10, 1001),
        ("passt_32k", 10, 1000),
        ("beats_16k", 10, 998),
        ("dcase2022_44k", 5, 251),
        ("vggish_16k", 5, 498),
    ],
)
def test_known_frame_counts(name: str, seconds: int, frames: int) -> None:
    assert n_frames(seconds * PRESETS[name].sample_rate, PRESETS[name]) == frames


@pytest.mark.parametrize("name", PRESETS)
def test_too_short_says_the_least_length(name: str) -> None:
    spec = PRESETS[name]
    least = least_samples(spec)
    with pytest.raises(AudioError, match=f"{least - 1} samples is too short.*\n.*{least} samples"):
        features(noise(least - 1), spec)
    assert n_frames(0, spec) == 0
    assert len(features(noise(least), spec)) >= 1


@pytest.mark.parametrize("name", PRESETS)
def test_a_batch_gives_what_its_items_give(name: str) -> None:
    spec = PRESETS[name]
    batch = np.stack([noise(40_000, seed) for seed in range(3)])
    got = features(batch, spec)
    assert got.shape == (3, n_frames(40_000, spec), spec.bands)
    for one, expected in zip(batch, got, strict=True):
        np.testing.assert_array_equal(features(one, spec), expected)
    assert features(batch[:0], spec).shape == (0, *got.shape[1:])


@pytest.mark.parametrize("name", PRESETS)
def test_silence_is_finite_and_the_input_is_left_alone(name: str) -> None:
    spec = PRESETS[name]
    silence = np.zeros(50_000, np.float32)
    got = features(silence, spec)
    assert np.isfinite(got).all()
    assert np.ptp(got) == 0
    x = noise(50_000)
    before = x.copy()
    features(x, spec)
    np.testing.assert_array_equal(x, before)


def test_db_of_silence_is_the_floor() -> None:
    got = features(np.zeros(4096, np.float32), PRESETS["panns_32k"])
    np.testing.assert_allclose(got, -100, rtol=0, atol=1e-5)


def test_read_only_and_strided_input() -> None:
    x = noise(60_000)
    x.flags.writeable = False
    spec = PRESETS["panns_32k"]
    np.testing.assert_array_equal(features(x[::2], spec), features(x[::2].copy(), spec))


@pytest.mark.parametrize("shape", [(), (1, 2, 30_000)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(AudioError, match="give one waveform"):
        features(np.zeros(shape, np.float32), PRESETS["panns_32k"])


def test_shared_tables_cannot_be_overwritten() -> None:
    spec = PRESETS["panns_32k"]
    for table in (analysis_window(spec), mel_weights(spec)):
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 1


def test_memory_stays_near_input_and_output() -> None:
    spec = replace(PRESETS["panns_32k"], bands=16)
    x = noise(32_000 * 60)
    features(x[:4096], spec)
    tracemalloc.start()
    out = features(x, spec)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes + out.nbytes + 8_000_000
