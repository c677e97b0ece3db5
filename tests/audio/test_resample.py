from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.audio.resample import StreamResampler, resample


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(n).standard_normal(n).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 60_000),
    rates=st.sampled_from([(44_100, 32_000), (8_000, 48_000), (48_000, 16_000), (22_050, 22_050)]),
    block=st.integers(100, 50_000),
)
def test_stream_equals_one_shot(n: int, rates: tuple[int, int], block: int) -> None:
    x = noise(n)
    stream = StreamResampler(*rates)
    parts = [stream.process(x[i : i + block]) for i in range(0, n, block)]
    parts.append(stream.process(x[:0], last=True))
    np.testing.assert_allclose(np.concatenate(parts), resample(x, *rates), rtol=0, atol=1e-6)


def test_equal_rates_change_nothing() -> None:
    x = noise(1000)
    assert resample(x, 44_100, 44_100) is x
    assert StreamResampler(8000, 8000).process(x) is x


@pytest.mark.parametrize("to_rate", [16_000, 32_000, 48_000])
def test_a_tone_keeps_pitch_level_and_phase(to_rate: int) -> None:
    def tone(rate: int) -> np.ndarray:
        return (0.5 * np.sin(2 * np.pi * 1000 * np.arange(2 * rate) / rate)).astype(np.float32)

    got = resample(tone(44_100), 44_100, to_rate)
    assert got.size == 2 * to_rate
    middle = slice(to_rate // 2, -to_rate // 2)
    np.testing.assert_allclose(got[middle], tone(to_rate)[middle], rtol=0, atol=1e-4)


def test_what_the_lower_rate_cannot_hold_is_removed() -> None:
    x = np.sin(2 * np.pi * 15_000 * np.arange(88_200) / 44_100).astype(np.float32)
    got = resample(x, 44_100, 16_000)
    assert np.abs(got[2000:-2000]).max() < 1e-4


def test_nothing_gives_nothing() -> None:
    assert resample(noise(0), 44_100, 32_000).size == 0
    assert StreamResampler(44_100, 32_000).process(noise(0), last=True).size == 0
