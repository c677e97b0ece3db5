"""People: hands, feet, lips and hearts."""

from __future__ import annotations

import numpy as np

from soundseek.synth.blocks import (
    RATE,
    Signal,
    band,
    band_noise,
    beats,
    clock,
    coloured,
    curve,
    decay,
    drift,
    hump,
    place,
    resonant,
    reverb,
    samples,
    scattered,
    unit,
    white,
)
from soundseek.synth.tones import buzz, mouth, sine, struck, voice


def footsteps(rng: np.random.Generator, n: int) -> Signal:
    """Shoes on a hard floor: heel, then a softer sole."""
    out = np.zeros(n)
    length = samples(0.25)
    pitch = rng.uniform(225, 255)
    for at in beats(rng, n, rng.uniform(0.49, 0.55), 0.04, 0.1):
        low = pitch * rng.uniform(0.9, 1.1)
        heel = unit(band(white(rng, length) * decay(length, 0.012, 0.008), low, low * 2.67))
        heel += 0.07 * band_noise(rng, length, 3000, 5300, 1) * decay(length, 0.025, 0.008)
        sole = unit(band(white(rng, length) * decay(length, 0.029, 0.006), 2000, 2500, 1))
        place(out, at, heel, rng.uniform(0.7, 1.0))
        place(out, at + samples(0.114), sole, 0.09 * rng.uniform(0.5, 1.0))
    return out + 0.09 * coloured(rng, n, -2)


def _clap(rng: np.random.Generator, centre: float, width: float, tau_s: float) -> Signal:
    """One pair of hands: a burst whose cupped air gives it a pitch, `width` a share of it."""
    length = samples(0.08)
    peaks = [(centre, centre * width, 1.0), (centre * 2.5, centre * 0.6, 0.5)]
    return unit(resonant(white(rng, length), peaks, 0.03)) * decay(length, tau_s, 0.001)


def clapping(rng: np.random.Generator, n: int) -> Signal:
    """One person who claps steadily in a room."""
    out = np.zeros(n)
    hands = rng.uniform(1200, 1400)
    for at in beats(rng, n, rng.uniform(0.23, 0.27), 0.06, 0.05):
        clap = _clap(rng, hands * rng.uniform(0.95, 1.05), 0.8, 0.017)
        place(out, at, clap, rng.uniform(0.7, 1.0))
    return reverb(rng, out, 0.28, 0.12) + 0.002 * coloured(rng, n, -5)


def applause(rng: np.random.Generator, n: int) -> Signal:
    """An audience: hundreds of claps a second far away, and a few people close by, in a hall."""
    far = np.zeros(n)
    pitch = rng.uniform(1550, 1800)
    for _ in range(6):
        clap = _clap(rng, pitch * rng.uniform(0.7, 1.5), 0.3, 0.015)
        for at in scattered(rng, n, 40):
            place(far, at, clap, float(np.exp(0.77 * rng.standard_normal())))
    hiss = band_noise(rng, n, pitch * 0.6, pitch * 4, 1) * drift(rng, n, 8, 0.65, 1.0)
    out = unit(far) + 0.5 * hiss
    for _ in range(5):
        clap = _clap(rng, pitch * rng.uniform(0.7, 1.5), 0.3, 0.015)
        for at in beats(rng, n, rng.uniform(0.18, 0.3), 0.2, rng.uniform(0.0, 0.3)):
            place(out, at, clap, 2.2 * rng.uniform(0.5, 1.0))
    return reverb(rng, out, 1.4, 0.28)


def whistling(rng: np.random.Generator, n: int) -> Signal:
    """A person whistling a small tune, with breath around the note."""
    scale = rng.uniform(900, 1150) * 2 ** (np.array([0, 2, 4, 5, 7, 9, 12]) / 12)
    step = int(rng.integers(0, len(scale)))
    pitch = np.empty(n)
    level = np.empty(n)
    for at in beats(rng, n, 0.42, 0.3, 0.0):
        step = int(np.clip(step + rng.integers(-2, 3), 0, len(scale) - 1))
        pitch[at:] = scale[step]
        rest = n - at
        level[at:] = np.minimum(1.0, 0.1 + clock(rest) / 0.04) * np.exp(-clock(rest) / 1.5)
    glide = np.ones(samples(0.05)) / samples(0.05)
    pitch = np.convolve(np.pad(pitch, len(glide), mode="edge"), glide, "same")[len(glide) :][:n]
    vibrato = 1 + 0.008 * np.sin(2 * np.pi * 5.5 * clock(n))
    tone = sine(pitch * vibrato) + 0.04 * sine(2 * pitch * vibrato)
    breath = 0.04 * band_noise(rng, n, 900, 5000, 1)
    return reverb(rng, level * (tone + breath), 0.6, 0.2)


def heartbeat(rng: np.random.Generator, n: int) -> Signal:
    """Lub-dub through a stethoscope."""
    out = np.zeros(n)
    length = samples(0.25)
    pitch = rng.uniform(70, 82)
    for at in beats(rng, n, rng.uniform(0.8, 0.95), 0.02, 0.05):
        for delay, ratio, size in ((0.0, 1.0, 1.0), (0.26, 1.25, 0.5)):
            glide = pitch * ratio * curve(length, (0, 1.3), (0.3, 1.0), (1, 0.8))
            place(out, at + samples(delay), sine(glide) * decay(length, 0.058, 0.004), size)
    return out


def snoring(rng: np.random.Generator, n: int) -> Signal:
    """Slow, noisy breaths in that rattle at the back of the throat."""
    out = 0.027 * coloured(rng, n, -3)
    for at in beats(rng, n, rng.uniform(2.8, 3.2), 0.05, 0.1):
        length = samples(rng.uniform(1.6, 1.85))
        flutter = rng.uniform(48, 56) * (1 + 0.08 * drift(rng, length, 15, -1, 1))
        palate = 0.18 + 0.82 * np.exp(-4 * (np.cumsum(flutter) / RATE % 1.0))
        source = 0.16 * unit(buzz(flutter, 1.25, 7000)) + 0.84 * white(rng, length)
        throat = [(150, 31, 1.0), (700, 146, 0.7), (2900, 610, 0.4)]
        snore = unit(mouth(source * palate, throat)) * drift(rng, length, 31, 0.52, 1.0)
        place(out, at, snore * hump(length, 1.8))
    return out


def crowd(rng: np.random.Generator, n: int) -> Signal:
    """The hubbub of many people talking at once: voices without words."""
    out = np.zeros(n)
    for _ in range(9):
        base = rng.uniform(95, 140) if rng.uniform() < 0.5 else rng.uniform(170, 240)
        pitch = base * (1 + 0.15 * drift(rng, n, 3, -1, 1))
        first, second = drift(rng, n, 5, 300, 800), drift(rng, n, 5, 900, 2200)
        talk = voice(pitch, [(first, 90, 1.0), (second, 130, 0.6), (2700, 250, 0.3)], 0.6)
        syllables = np.clip(drift(rng, n, 9, -0.5, 1.0), 0, 1) * (drift(rng, n, 0.7, 0, 1) > 0.4)
        out += unit(talk) * syllables * rng.uniform(0.3, 1.0)
    hiss = band_noise(rng, n, 3000, 7000, 1) * np.clip(drift(rng, n, 12, -1, 1), 0, 1)
    return reverb(rng, out + 0.2 * hiss, 1.0, 0.7) + 0.15 * coloured(rng, n, -4)


def running(rng: np.random.Generator, n: int) -> Signal:
    """Quick steps on gravel: each a crunch of many small stones."""
    out = 0.02 * coloured(rng, n, -3)
    length, grain = samples(0.25), samples(0.012)
    for at in beats(rng, n, rng.uniform(0.34, 0.39), 0.05, 0.05):
        stones = np.zeros(length)
        for stone in scattered(rng, length, 345):
            knock = sine(np.full(grain, rng.uniform(1000, 3800))) * decay(grain, 0.002, 0.0002)
            place(stones, stone, knock, rng.uniform(0.1, 1.0))
        crunch = unit(stones) + 0.8 * band_noise(rng, length, 500, 7000, 1)
        thump = unit(struck(length, [80.0], [0.03], [1.0]))
        step = crunch * decay(length, 0.12, 0.03) + 0.24 * thump
        place(out, at, step, rng.uniform(0.7, 1.0))
    return out
