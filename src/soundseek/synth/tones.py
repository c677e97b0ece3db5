"""Pitched sources: harmonic oscillators, voices with formants, struck modes and plucked strings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soundseek.synth.blocks import NYQUIST, RATE, Signal, clock

Formant = tuple[float | Signal, float, float]
"""A resonance of a vocal tract: centre in Hz (may move in time), half-width in Hz, gain."""

_TABLE = 8192  # samples of the wave table of `buzz`
_FRAME = 1024  # samples of a frame of `mouth`: 32 ms, in which a voice holds still


def phase(frequency: Signal) -> Signal:
    """The running phase in radians of an oscillator at `frequency` Hz, `[n]`."""
    return 2 * np.pi * np.cumsum(frequency) / RATE


def sine(frequency: Signal) -> Signal:
    """A sine of amplitude 1 that follows `frequency` in Hz, `[n]`."""
    return np.sin(phase(frequency))


def harmonics(frequency: Signal, amplitudes: Sequence[float]) -> Signal:
    """The sum of sines at 1, 2, 3 … times `frequency`, without those that would alias."""
    angle = phase(frequency)
    lowest = float(np.min(frequency))
    out = np.zeros(len(frequency))
    for number, amplitude in enumerate(amplitudes, start=1):
        if number * lowest >= NYQUIST:
            break
        audible = number * frequency < NYQUIST
        out += amplitude * np.sin(number * angle) * audible
    return out


def buzz(frequency: Signal, rolloff: float = 1.0, limit_hz: float = 12_000.0) -> Signal:
    """A bright tone: harmonics of amplitude 1 / number ** `rolloff` up to `limit_hz`.

    One period is summed into a table and read at the running phase, so that a hundred harmonics
    cost no more than one. The highest pitch decides how many there are: nothing aliases.
    """
    count = max(1, int(min(limit_hz, NYQUIST) / float(np.max(frequency))))
    spectrum = np.zeros(_TABLE // 2 + 1, np.complex128)
    numbers = np.arange(1, min(count, _TABLE // 8) + 1)
    spectrum[numbers] = -0.5j * _TABLE * numbers**-rolloff
    table = np.fft.irfft(spectrum, _TABLE)
    at = (np.cumsum(frequency) / RATE % 1.0) * _TABLE
    left = at.astype(np.intp)
    share = at - left
    left %= _TABLE
    return table[left] * (1 - share) + table[(left + 1) % _TABLE] * share


def mouth(x: Signal, formants: Sequence[Formant]) -> Signal:
    """`x` through a vocal tract whose formants may move, in overlapping frames."""
    hop = _FRAME // 2
    count = -(-len(x) // hop) + 1
    padded = np.zeros((count + 1) * hop)
    padded[hop : hop + len(x)] = x
    window = np.sin(np.pi * (np.arange(_FRAME) + 0.5) / _FRAME) ** 2
    starts = np.arange(count) * hop
    frames = padded[starts[:, None] + np.arange(_FRAME)] * window
    frequencies = np.fft.rfftfreq(_FRAME, 1 / RATE)
    middles = np.clip(starts, 0, len(x) - 1)
    gain = np.zeros((count, len(frequencies)))
    for centre, width, height in formants:
        track = np.broadcast_to(np.asarray(centre, np.float64), len(x))[middles, None]
        gain += height / (1 + ((frequencies - track) / width) ** 2)
    filtered = np.fft.irfft(np.fft.rfft(frames) * gain, _FRAME)
    out = np.zeros_like(padded)
    out[: count * hop] += filtered[:, :hop].reshape(-1)
    out[hop:] += filtered[:, hop:].reshape(-1)
    return out[hop : hop + len(x)]


def voice(
    frequency: Signal, formants: Sequence[Formant], tilt: float = 1.0, limit_hz: float = 6000.0
) -> Signal:
    """A vocal sound: a `buzz` at `frequency` that falls by `tilt`, shaped by a `mouth`."""
    return mouth(buzz(frequency, tilt, limit_hz), formants)


def struck(
    n: int, frequencies: Sequence[float], taus_s: Sequence[float], amplitudes: Sequence[float]
) -> Signal:
    """A struck object, `[n]`: damped sines with their frequencies, time constants and sizes."""
    t = clock(n)
    out = np.zeros(n)
    for frequency, tau, amplitude in zip(frequencies, taus_s, amplitudes, strict=True):
        if frequency < NYQUIST:
            # A mode is inaudible 7 time constants after the stroke (-61 dB): stop there.
            m = min(n, int(7 * tau * RATE) + 1)
            out[:m] += amplitude * np.sin(2 * np.pi * frequency * t[:m]) * np.exp(-t[:m] / tau)
    return out


def plucked(
    rng: np.random.Generator, n: int, frequency: float, brightness: float, loss: float = 0.996
) -> Signal:
    """A plucked string after Karplus and Strong (1983), `[n]`, one period of the string at a time.

    `brightness` in (0, 1] is how sharp the plectrum is; `loss` is the share of the amplitude that
    is left after each period.
    """
    period = max(2, round(RATE / frequency - 0.5))
    excitation = rng.uniform(-1, 1, period)
    smooth = np.convolve(np.tile(excitation, 2), [1 - brightness, brightness])[period : 2 * period]
    rows = -(-n // period)
    out = np.empty((rows, period))
    out[0] = smooth - smooth.mean()
    for row in range(1, rows):
        last = out[row - 1]
        out[row] = loss * 0.5 * (last + np.roll(last, 1))
    return out.reshape(-1)[:n]
