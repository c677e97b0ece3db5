"""Oscillators hit their pitches, filters their formants, strings and bars their decay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.synth import tones
from soundseek.synth.blocks import NYQUIST, RATE, Signal


def _loudest(x: Signal) -> float:
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x))))
    return float(np.argmax(spectrum) * RATE / len(x))


def test_a_sine_has_its_frequency() -> None:
    assert _loudest(tones.sine(np.full(RATE, 440.0))) == pytest.approx(440, abs=1)


def test_buzz_is_the_sum_of_its_harmonics() -> None:
    pitch = 150 + 20 * np.sin(np.arange(4000) / 500)
    count = int(3000 / pitch.max())
    naive = np.zeros(len(pitch))
    for number in range(1, count + 1):
        naive += np.sin(2 * np.pi * number * np.cumsum(pitch) / RATE) / number**0.7
    np.testing.assert_allclose(tones.buzz(pitch, 0.7, 3000), naive, atol=2e-3)


@settings(max_examples=25, deadline=None)
@given(pitch=st.floats(20, 12_000))
def test_buzz_does_not_alias(pitch: float) -> None:
    x = tones.buzz(np.full(RATE, pitch), 0.0, 20_000) * np.hanning(RATE)
    spectrum = np.abs(np.fft.rfft(x)) ** 2
    harmonic = np.zeros(len(spectrum), bool)
    for number in range(1, int(NYQUIST / pitch) + 1):
        near = round(number * pitch)
        harmonic[max(0, near - 3) : near + 4] = True
    assert spectrum[~harmonic].sum() < 1e-3 * spectrum.sum()


def test_harmonics_leaves_out_what_would_alias() -> None:
    x = tones.harmonics(np.full(RATE, 7000.0), [0, 0, 1.0])
    np.testing.assert_array_equal(x, np.zeros(RATE))


def test_a_mouth_without_shape_changes_nothing() -> None:
    x = np.random.default_rng(0).standard_normal(5000)
    np.testing.assert_allclose(tones.mouth(x, [(1000.0, 1e9, 1.0)]), x, atol=1e-9)


def test_a_mouth_follows_a_moving_formant() -> None:
    n = 2 * RATE
    centre = np.linspace(1000, 4000, n)
    x = tones.mouth(np.random.default_rng(0).standard_normal(n), [(centre, 60, 1.0)])
    assert _loudest(x[: n // 8]) < 1600
    assert _loudest(x[-n // 8 :]) > 3400


def test_a_voice_is_strongest_at_its_formant() -> None:
    x = tones.voice(np.full(RATE, 100.0), [(1200.0, 60, 1.0)], 0.0)
    assert _loudest(x) == pytest.approx(1200, abs=5)


def test_struck_matches_the_formula() -> None:
    n = 3000
    t = np.arange(n) / RATE
    expected = 0.5 * np.sin(2 * np.pi * 300 * t) * np.exp(-t / 0.02)
    np.testing.assert_allclose(tones.struck(n, [300], [0.02], [0.5]), expected, atol=1e-3)


def test_struck_leaves_out_what_would_alias() -> None:
    np.testing.assert_array_equal(tones.struck(100, [20_000], [1], [1]), np.zeros(100))


@pytest.mark.parametrize("frequency", [82.4, 220.0, 440.0])
def test_a_plucked_string_is_in_tune_and_dies_away(frequency: float) -> None:
    x = tones.plucked(np.random.default_rng(0), 2 * RATE, frequency, 0.5)
    assert len(x) == 2 * RATE
    spectrum = np.abs(np.fft.rfft(x[:RATE] * np.hanning(RATE)))
    near = slice(round(frequency * 0.7), round(frequency * 1.4))
    assert near.start + int(np.argmax(spectrum[near])) == pytest.approx(frequency, rel=0.012)
    assert np.std(x[-RATE // 4 :]) < 0.5 * np.std(x[: RATE // 4])


def test_a_plucked_string_matches_the_recurrence() -> None:
    n, frequency, loss = 600, 400.0, 0.99
    x = tones.plucked(np.random.default_rng(3), n, frequency, 0.6, loss)
    period = round(RATE / frequency - 0.5)
    for index in range(period + 1, n):
        same_row = index % period != 0
        before = x[index - period - 1] if same_row else x[index - 1]
        assert x[index] == pytest.approx(loss * 0.5 * (x[index - period] + before))
