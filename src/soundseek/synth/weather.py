"""Weather and fire: noise whose colour and loudness wander."""

from __future__ import annotations

import numpy as np

from soundseek.synth.blocks import (
    RATE,
    Signal,
    band,
    band_noise,
    clock,
    coloured,
    crackle,
    decay,
    drift,
    place,
    samples,
    saturate,
    scattered,
    tamed,
    unit,
)


def rain(rng: np.random.Generator, n: int) -> Signal:
    """Thousands of small drops over a bed of hiss, with a few heavy drops close by."""
    hiss = band_noise(rng, n, 900, 11_000, 1) * drift(rng, n, 0.5, 0.8, 1.1)
    drops = unit(band(crackle(rng, n, rng.uniform(900, 2500), 0.9), 1500, 9000, 1))
    heavy = unit(band(crackle(rng, n, rng.uniform(15, 50), 0.6), 500, 5000, 1))
    shower = hiss + 0.8 * drops + 0.35 * heavy + 0.25 * coloured(rng, n, -6, 80)
    return tamed(shower, 12.0)


def wind(rng: np.random.Generator, n: int) -> Signal:
    """Gusts of dark, fluttering noise."""
    gust = drift(rng, n, 1.1, 0.16, 1.0) ** 1.5
    low = coloured(rng, n, -5.9, rng.uniform(80, 100)) * drift(rng, n, 15, 0.34, 1.0)
    roar = band_noise(rng, n, 87, rng.uniform(600, 700), 2)
    return (low + 0.75 * roar) * gust


def waves(rng: np.random.Generator, n: int) -> Signal:
    """Breakers that swell darkly, crash bright and run out over sand in a fizz."""
    out = 0.12 * coloured(rng, n, -4, 80)
    period = rng.uniform(4.5, 6.5)
    start = -rng.uniform(0.0, 0.3) * period
    while start < n / RATE:
        t = clock(n) - start
        length = period * rng.uniform(1.0, 1.3)
        x = np.clip(t / length, 0, 1)
        swell = np.sin(np.pi * x**0.8) ** 2
        wash = np.clip(x / 0.35, 0, 1) ** 3 * np.clip((1 - x) / 0.65, 0, 1) ** 1.5
        size = rng.uniform(0.7, 1.1)
        out += size * 0.6 * swell * band_noise(rng, n, 60, 500, 1)
        out += size * wash * coloured(rng, n, -3, 300)
        out += size * 0.35 * wash**2 * band_noise(rng, n, 2000, 9000, 1)
        start += period * rng.uniform(0.85, 1.15)
    return out


def thunder(rng: np.random.Generator, n: int) -> Signal:
    """Low claps that break suddenly and roll away, over a dark rumble."""
    out = 0.08 * coloured(rng, n, -6, 40)
    total = n / RATE
    for index in range(int(rng.integers(3, 5))):
        start = 0.05 if index == 0 else total * rng.uniform(0.05, 0.5)
        length = samples(rng.uniform(2.0, 3.5))
        clap = unit(band(coloured(rng, length, -10, 85), 20, 600, 1) * decay(length, 0.98, 0.03))
        place(out, samples(start), clap * drift(rng, length, 9, 0.4, 1.0), rng.uniform(0.5, 1.0))
    return saturate(out, 1.5)


def fire(rng: np.random.Generator, n: int) -> Signal:
    """A low, fluttering roar under sharp snaps of burning wood."""
    out = 0.22 * coloured(rng, n, -5.6, 60) * drift(rng, n, 15, 0.5, 1.0)
    out += 0.12 * band_noise(rng, n, 2800, 9000, 1)
    embers = crackle(rng, n, rng.uniform(150, 220), 1.0)
    out += 0.41 * unit(band(embers, 2100, 10_700, 1))
    for at in scattered(rng, n, rng.uniform(11, 16)):
        length = samples(rng.uniform(0.004, 0.02))
        low = rng.uniform(600, 2500)
        snap = band_noise(rng, length, low, low * 4, 1) * decay(length, length / 96_000, 0.0003)
        place(out, at, snap, 3.8 * rng.uniform(0.3, 1.0))
    return tamed(out, 9.9)
