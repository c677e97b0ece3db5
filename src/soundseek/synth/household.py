"""The house and the workshop: knocks, clicks, motors and blades."""

from __future__ import annotations

import numpy as np

from soundseek.synth.blocks import (
    Signal,
    band,
    band_noise,
    beats,
    clock,
    coloured,
    decay,
    drift,
    place,
    resonant,
    reverb,
    samples,
    scattered,
    unit,
    white,
)
from soundseek.synth.tones import buzz, struck


def _key(rng: np.random.Generator) -> Signal:
    """One key: a plastic cap that hits its stop, three short resonances and a dull thud."""
    length = samples(0.06)
    k = rng.uniform(0.8, 1.25)
    cap = struck(length, [1750 * k, 3670 * k, 6460 * k], [0.005, 0.004, 0.0025], [1.0, 0.8, 0.6])
    thud = struck(length, [180 * k], [0.012], [1.0])
    hit = band(white(rng, length) * decay(length, 0.007, 0.0003), 1070, 3240, 1)
    return 0.57 * unit(cap) + unit(hit) + 0.55 * unit(thud)


def typing(rng: np.random.Generator, n: int) -> Signal:
    """Fingers on a computer keyboard: each key clacks down and clicks up again."""
    out = np.zeros(n)
    for at in beats(rng, n, rng.uniform(0.12, 0.14), 0.55, 0.03):
        key = _key(rng)
        place(out, at, key, rng.uniform(0.5, 1.0))
        place(out, at + samples(0.09), key, 0.7 * rng.uniform(0.5, 1.0))
    return out + 0.02 * coloured(rng, n, -3)


def clock_ticking(rng: np.random.Generator, n: int) -> Signal:
    """A clock: a sharp tick and a fainter, lower tock as its escapement lets go."""
    out = np.zeros(n)
    body = rng.uniform(0.96, 1.06)
    length = samples(0.06)
    ticks = []
    for pitch in (2460 * body, 2250 * body):
        ring = struck(
            length, [pitch, pitch * 2.1, pitch * 3.7], [0.013, 0.01, 0.0065], [1, 0.8, 0.6]
        )
        hit = band(white(rng, length) * decay(length, 0.002, 0.0003), 2100, 12_000, 1)
        ticks.append(0.31 * unit(ring) + unit(hit))
    for index, at in enumerate(beats(rng, n, rng.uniform(0.39, 0.45), 0.005, 0.05)):
        place(out, at, ticks[index % 2])
        place(out, at + samples(0.044), ticks[index % 2], 0.45)
    return out + 0.007 * coloured(rng, n, -3)


def door_knock(rng: np.random.Generator, n: int) -> Signal:
    """Knuckles on a wooden door, three or four quick knocks at a time."""
    out = np.zeros(n)
    length = samples(0.2)
    panel = rng.uniform(125, 145)
    at = 0.05
    while samples(at) < n:
        for _ in range(int(rng.integers(3, 5))):
            modes = [panel * r * rng.uniform(0.96, 1.04) for r in (1, 1.7, 2.9, 4.6, 7.3)]
            taus = [0.022, 0.016, 0.0116, 0.0088, 0.0067]
            wood = struck(length, modes, taus, [1, 0.8, 0.6, 0.45, 0.3])
            hit = band(white(rng, length) * decay(length, 0.009, 0.0003), 200, 600, 1)
            place(out, samples(at), 0.88 * unit(wood) + unit(hit), rng.uniform(0.7, 1.0))
            at += rng.uniform(0.145, 0.175)
        at += rng.uniform(0.6, 0.8)
    return out + 0.026 * coloured(rng, n, -4)


def vacuum_cleaner(rng: np.random.Generator, n: int) -> Signal:
    """A vacuum cleaner: a whining motor in a rush of air, pushed to and fro."""
    push = 1 + 0.01 * np.sin(np.pi * clock(n)) + 0.002 * drift(rng, n, 20, -1, 1)
    whine = buzz(rng.uniform(385, 420) * push, 1.4, 3570)
    air = resonant(white(rng, n), [(635, 201, 1.0), (1490, 473, 1.24), (3600, 1142, 0.97)], 0.08)
    return unit(air) + 0.55 * unit(whine)


def ventilation(rng: np.random.Generator, n: int) -> Signal:
    """The air conditioning of an office: a soft rush, a fan's drone and mains hum."""
    air = resonant(white(rng, n), [(394, 296, 1.0), (1040, 780, 0.58), (3330, 2500, 0.09)], 0.11)
    drone = buzz(rng.uniform(195, 215) * (1 + 0.002 * drift(rng, n, 20, -1, 1)), 0.88, 1860)
    hum = buzz(np.full(n, 100.0), 1.0, 800)
    return unit(air) + 0.5 * unit(drone) + 0.5 * unit(hum)


def glass_breaking(rng: np.random.Generator, n: int) -> Signal:
    """A pane that bursts, and splinters that ring and tinkle as they land."""
    out = np.zeros(n)
    start = min(samples(0.15), n // 4)
    length = samples(0.5)
    burst = band_noise(rng, length, 1500, 13_000, 1) * decay(length, 0.05, 0.0005)
    place(out, start, burst, 1.3)
    thud = struck(length, [180, 410, 930], [0.03, 0.02, 0.02], [1.0, 0.8, 0.8])
    place(out, start, thud, 0.8)
    for index in range(140):
        at = 0 if index < 25 else rng.exponential(0.28)
        pitch = rng.uniform(2200, 9500)
        shard = struck(
            samples(0.25),
            [pitch, pitch * rng.uniform(1.3, 1.9), pitch * rng.uniform(2.0, 2.8)],
            [rng.uniform(0.012, 0.05), 0.015, 0.008],
            [1.0, 0.6, 0.4],
        )
        place(out, start + samples(at), shard, rng.uniform(0.05, 0.5) * np.exp(-at / 0.6))
    return reverb(rng, out, 0.6, 0.15)


def sawing(rng: np.random.Generator, n: int) -> Signal:
    """A hand saw: long strokes of teeth through wood, pushed hard and drawn back softer."""
    out = np.zeros(n)
    stroke_s = rng.uniform(0.42, 0.52)
    for index, at in enumerate(beats(rng, n, stroke_s, 0.06, 0.02)):
        length = samples(stroke_s * 0.85)
        speed = np.sin(np.pi * np.arange(length) / length) ** 1.5
        teeth = resonant(
            white(rng, length), [(1110, 268, 0.8), (3500, 847, 1.0), (4670, 1130, 0.7)], 0.235
        )
        place(out, at, unit(teeth) * speed, 0.75 if index % 2 else 1.0)
    return reverb(rng, out, 0.4, 0.5)


def hammer(rng: np.random.Generator, n: int) -> Signal:
    """A hammer that drives a nail into a board: a ring of steel on a dull thud of wood."""
    out = np.zeros(n)
    length = samples(0.3)
    nail = rng.uniform(4200, 4700)
    for index, at in enumerate(beats(rng, n, rng.uniform(0.47, 0.53), 0.06, 0.05)):
        pitch = nail * (1 + 0.01 * (index % 6))
        steel = struck(
            length, [pitch, pitch * 1.62, pitch * 2.4], [0.05, 0.035, 0.025], [1, 0.7, 0.5]
        )
        wood = band(white(rng, length) * decay(length, 0.015, 0.0003), 200, 980, 1)
        place(out, at, unit(wood) + 1.5 * steel, rng.uniform(0.8, 1.0))
    return reverb(rng, out, 0.42, 0.8) + 0.029 * coloured(rng, n, -4)


def frying(rng: np.random.Generator, n: int) -> Signal:
    """Food that sizzles in hot fat, with spits and pops."""
    out = 0.5 * band_noise(rng, n, 3000, 13_000, 1) * drift(rng, n, 5, 0.7, 1.0)
    for at in scattered(rng, n, 90):
        length = samples(rng.uniform(0.002, 0.007))
        spit = band_noise(rng, length, rng.uniform(1500, 5000), 12_000, 1)
        place(out, at, spit * decay(length, length / 130_000, 0.0002), rng.uniform(0.3, 2.5))
    return out
