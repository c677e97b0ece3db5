"""Water: bubbles, drops, streams and steam."""

from __future__ import annotations

import numpy as np

from soundseek.synth.blocks import (
    Signal,
    band_noise,
    beats,
    clock,
    coloured,
    curve,
    decay,
    drift,
    place,
    reverb,
    samples,
    scattered,
    unit,
)
from soundseek.synth.tones import sine


def _bubble(rng: np.random.Generator, low: float, high: float) -> Signal:
    """An air bubble after Minnaert: a damped sine whose pitch rises as it nears the surface."""
    pitch = low * (high / low) ** rng.uniform()
    damping = 0.7 * (0.13 * pitch + 0.0072 * pitch**1.5)
    length = samples(min(0.25, 7 / damping))
    rise = pitch * (1 + 0.3 * rng.uniform(0.1, 1.0) * damping * clock(length))
    bubble: Signal = sine(rise) * decay(length, 1 / damping, 0.0006) / pitch**0.5
    return bubble


def _bubbles(rng: np.random.Generator, n: int, per_s: float, low: float, big: float) -> Signal:
    """Small bubbles over three octaves above `low` Hz, and a share of `big` ones below."""
    out, deep = np.zeros(n), np.zeros(n)
    for at in scattered(rng, n, per_s):
        place(out, at, _bubble(rng, low, low * 8), rng.uniform(0.1, 1.0) ** 2)
    for at in scattered(rng, n, per_s / 12):
        place(deep, at, _bubble(rng, low * 0.4, low * 3.2), rng.uniform(0.2, 1.0) ** 2)
    return unit(out) + big * unit(deep)


def stream(rng: np.random.Generator, n: int) -> Signal:
    """A brook: hundreds of small bubbles a second in a soft rush."""
    rush = band_noise(rng, n, 760, 1500, 1) * drift(rng, n, 13, 0.83, 1.0)
    water = _bubbles(rng, n, rng.uniform(250, 330), rng.uniform(800, 950), 0.24) + 2.0 * rush
    return reverb(rng, water, 0.5, 0.38) + 0.26 * coloured(rng, n, -4)


def bubbling(rng: np.random.Generator, n: int) -> Signal:
    """Big bubbles that gurgle up through water."""
    rush = band_noise(rng, n, 990, 3420, 1) * drift(rng, n, 28, 0.56, 1.0)
    water = _bubbles(rng, n, rng.uniform(75, 100), rng.uniform(270, 330), 0.3) + 0.39 * rush
    return reverb(rng, water, 0.5, 0.26) + 0.27 * coloured(rng, n, -4)


def pouring(rng: np.random.Generator, n: int) -> Signal:
    """Water poured into a vessel: bubbles and splashes, brighter as it fills."""
    splash = band_noise(rng, n, 1450, 5000, 1) * drift(rng, n, 24, 0.43, 1.0)
    slow = _bubbles(rng, n, rng.uniform(260, 320), rng.uniform(620, 700), 0.5)
    full = _bubbles(rng, n, rng.uniform(260, 320), rng.uniform(850, 950), 0.5)
    filling = curve(n, (0, 0), (1, 1))
    water = slow * (1 - filling) + full * filling + 1.4 * splash
    return reverb(rng, water, 0.5, 0.24) + 0.3 * coloured(rng, n, -4)


def dripping(rng: np.random.Generator, n: int) -> Signal:
    """Drops into a basin: a tick as each lands, and two bubbles that chirp upwards after it."""
    out = np.zeros(n)
    length = samples(0.15)
    for at in beats(rng, n, rng.uniform(0.26, 0.4), 0.6, 0.05):
        pitch = rng.uniform(1700, 2600)
        for delay, size in ((0.0, 1.0), (0.094, 0.8)):
            chirp = pitch * (1 + 6 * delay) * curve(length, (0, 1), (1, 5))
            plop = sine(chirp) * decay(length, 0.03, 0.003)
            tick = band_noise(rng, length, 2000, 8000, 1) * decay(length, 0.004)
            place(out, at + samples(delay), plop + 0.2 * tick, size * rng.uniform(0.4, 1.0))
    return reverb(rng, out, 1.15, 0.9) + 0.07 * coloured(rng, n, -3)


def steam(rng: np.random.Generator, n: int) -> Signal:
    """Steam that escapes from a valve in long jets."""
    out = np.zeros(n)
    for at in beats(rng, n, 2.55, 0.1, 0.02):
        length = samples(rng.uniform(2.2, 2.5))
        jet = band_noise(rng, length, 5000, 13_800, 1)
        jet += 0.1 * band_noise(rng, length, 1140, 4550, 1)
        place(out, at, jet * curve(length, (0, 0), (0.1, 1), (0.6, 0.7), (1, 0)))
    return out + 0.03 * coloured(rng, n, -1)
