"""Building blocks of the synthesiser: noise, filters, envelopes, event times, mixing, rooms.

Everything works at one internal rate, `RATE`, in float64 and without state: a filter is a gain over
frequency applied through the FFT, so nothing needs a loop over samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

RATE = 32_000
"""Samples a second at which every sound is made; `render` resamples to what the caller asks for."""

NYQUIST = RATE / 2

Signal = NDArray[np.float64]

_FFT_GRAIN = 4096  # padding to a multiple of this keeps FFT lengths free of large prime factors


def samples(seconds: float) -> int:
    """The length in samples of `seconds`, at least 1."""
    return max(1, round(seconds * RATE))


def clock(n: int) -> Signal:
    """The time in seconds of each of `n` samples."""
    return np.arange(n) / RATE


def white(rng: np.random.Generator, n: int) -> Signal:
    """Gaussian white noise of standard deviation 1, `[n]`."""
    return rng.standard_normal(n)


def shaped(x: Signal, gain: Callable[[Signal], Signal]) -> Signal:
    """`x` filtered without delay by `gain`, a function of frequency in Hz (never called with 0)."""
    padded = -(-(len(x) + 1) // _FFT_GRAIN) * _FFT_GRAIN
    frequencies = np.fft.rfftfreq(padded, 1 / RATE).astype(np.float64)
    frequencies[0] = frequencies[1]
    filtered = np.fft.rfft(x, padded) * gain(frequencies)
    return np.fft.irfft(filtered, padded)[: len(x)]


def band(x: Signal, low: float, high: float, order: int = 2) -> Signal:
    """`x` between `low` and `high` Hz, with Butterworth slopes of 6 × `order` dB an octave."""

    def gain(f: Signal) -> Signal:
        return 1.0 / np.sqrt((1 + (low / f) ** (2 * order)) * (1 + (f / high) ** (2 * order)))

    return shaped(x, gain)


def band_noise(rng: np.random.Generator, n: int, low: float, high: float, order: int = 2) -> Signal:
    """Noise between `low` and `high` Hz, of standard deviation 1 whatever the band."""
    return unit(band(white(rng, n), low, high, order))


def coloured(rng: np.random.Generator, n: int, slope_db: float, low: float = 20.0) -> Signal:
    """Noise that changes by `slope_db` an octave above `low` Hz (-3 pink, -6 brown)."""
    exponent = slope_db / 6.0206
    return unit(shaped(white(rng, n), lambda f: np.maximum(f, low) ** exponent))


def resonant(x: Signal, peaks: Sequence[tuple[float, float, float]], floor: float = 0.0) -> Signal:
    """`x` through parallel resonances (centre Hz, half-width Hz, gain) over a flat `floor`."""

    def gain(f: Signal) -> Signal:
        total = np.full_like(f, floor)
        for centre, width, height in peaks:
            total += height / (1 + ((f - centre) / width) ** 2)
        return total

    return shaped(x, gain)


def unit(x: Signal) -> Signal:
    """`x` scaled to a root mean square of 1; silence stays silent."""
    level = float(np.sqrt(np.mean(x**2)))
    return x / level if level > 0 else x


def decay(n: int, tau_s: float, attack_s: float = 0.001) -> Signal:
    """A percussive envelope: a linear attack, then an exponential fall over `tau_s`."""
    t = clock(n)
    return np.minimum(t / attack_s, 1.0) * np.exp(-np.maximum(t - attack_s, 0.0) / tau_s)


def hump(n: int, skew: float = 1.0) -> Signal:
    """A rounded swell from 0 to 1 and back; a `skew` below 1 peaks early, above 1 late."""
    return np.sin(np.pi * (np.arange(n) / n) ** skew) ** 2


def curve(n: int, *points: tuple[float, float]) -> Signal:
    """Straight lines through (position, value), with positions from 0 to 1 over `n` samples."""
    positions, values = zip(*points, strict=True)
    line: Signal = np.interp(np.linspace(0, 1, n), positions, values)
    return line


def gate(n: int, on_s: float, ramp_s: float = 0.005) -> Signal:
    """On for `on_s` seconds, then off, with short ramps that keep it from clicking."""
    t = clock(n)
    return np.clip(np.minimum(t, on_s - t) / ramp_s, 0.0, 1.0)


def drift(rng: np.random.Generator, n: int, per_s: float, low: float, high: float) -> Signal:
    """A slow random curve between `low` and `high` that turns about `per_s` times a second."""
    knots = max(2, int(n / RATE * per_s) + 2)
    at = np.linspace(0, knots - 1, n)
    left = np.minimum(at.astype(int), knots - 2)
    ease = (1 - np.cos(np.pi * (at - left))) / 2
    values = rng.uniform(low, high, knots)
    track: Signal = values[left] + (values[left + 1] - values[left]) * ease
    return track


def crackle(rng: np.random.Generator, n: int, per_s: float, spread: float = 1.0) -> Signal:
    """Clicks of one sample at random moments, `per_s` on average, of log-normal size."""
    out = np.zeros(n)
    count = max(1, int(rng.poisson(per_s * n / RATE)))
    sizes = np.exp(spread * rng.standard_normal(count)) * rng.choice([-1.0, 1.0], count)
    np.add.at(out, rng.integers(0, n, count), sizes)
    return out


def beats(
    rng: np.random.Generator, n: int, every_s: float, jitter: float = 0.0, first_s: float = 0.02
) -> Iterator[int]:
    """Sample positions about `every_s` seconds apart, each interval varied by ± `jitter` of it.

    The first lies at `first_s`, or at 0 when the sound is too short for that, so there is always
    at least one.
    """
    at = samples(first_s)
    if at >= n // 2:
        at = 0
    while at < n:
        yield at
        at += samples(every_s * (1 + jitter * rng.uniform(-1, 1)))


def scattered(rng: np.random.Generator, n: int, per_s: float) -> list[int]:
    """Random sample positions in order, `per_s` on average; the first comes at the very start."""
    count = max(1, int(rng.poisson(per_s * n / RATE)))
    positions = np.sort(rng.integers(0, n, count))
    positions[0] = min(int(positions[0]), n // 8)
    return [int(position) for position in positions]


def place(out: Signal, at: int, sound: Signal, gain: float = 1.0) -> None:
    """Add `sound` to `out` from sample `at`; what would run past the end is cut off."""
    room_left = len(out) - at
    if room_left > 0:
        out[at : at + len(sound)] += gain * sound[:room_left]


def reverb(rng: np.random.Generator, x: Signal, tail_s: float, wet: float) -> Signal:
    """`x` in a room: plus `wet` times itself convolved with noise that fades out over `tail_s`.

    The tail is darker than the sound, as air and walls make it, and is cut at the end of `x`.
    """
    length = samples(tail_s)
    response = band(white(rng, length), 120.0, 5000.0, 1) * decay(length, tail_s / 5, 0.004)
    response /= np.sqrt(np.sum(response**2))
    padded = -(-(len(x) + length) // _FFT_GRAIN) * _FFT_GRAIN
    tail = np.fft.irfft(np.fft.rfft(x, padded) * np.fft.rfft(response, padded), padded)
    return x + wet * tail[: len(x)]


def saturate(x: Signal, drive: float) -> Signal:
    """`x` scaled to a peak of 1 and bent by tanh: adds the overtones of something overloaded."""
    peak = float(np.max(np.abs(x)))
    return np.tanh(drive * x / peak) if peak > 0 else x


def tamed(x: Signal, ceiling: float = 5.0) -> Signal:
    """`x` with rare peaks bent to within `ceiling` times its root mean square, so it stays loud."""
    limit = ceiling * float(np.sqrt(np.mean(x**2)))
    return limit * np.tanh(x / limit) if limit > 0 else x
