"""Engines, rotors, traffic, and things that explode."""

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
    saturate,
    scattered,
    unit,
    white,
)
from soundseek.synth.tones import buzz, sine


def _firing(rng: np.random.Generator, pitch: Signal, uneven: float, rasp: float) -> Signal:
    """A piston engine: one bang of exhaust each time the phase of `pitch` (Hz) comes round."""
    n = len(pitch)
    turns = np.cumsum(pitch) / RATE
    strokes = np.flatnonzero(np.diff(np.floor(turns)) > 0)
    bangs = np.zeros(n)
    bangs[strokes] = 1 + uneven * rng.standard_normal(len(strokes))
    return unit(bangs) + rasp * unit(white(rng, n) * np.exp(-9 * (turns % 1.0)))


def car_engine(rng: np.random.Generator, n: int) -> Signal:
    """A car that idles: uneven strokes through an exhaust, over the rustle of its belts."""
    pitch = rng.uniform(27, 33) * (1 + 0.04 * drift(rng, n, 5, -1, 1))
    exhaust = resonant(
        _firing(rng, pitch, 0.5, 3.0), [(68, 20, 1.0), (295, 85, 0.53), (530, 152, 0.8)], 0.08
    )
    return 3 * saturate(0.3 * unit(exhaust), 2.3) + 0.3 * coloured(rng, n, -3.4, 60)


def motorcycle(rng: np.random.Generator, n: int) -> Signal:
    """A motorcycle that is revved: strokes that quicken and slow through a bare exhaust."""
    throttle = drift(rng, n, 1.5, -1.0, 1.0)
    pitch = rng.uniform(47, 55) * (1 + 0.4 * throttle)
    exhaust = resonant(
        _firing(rng, pitch, 0.1, 2.9), [(80, 22, 1.0), (346, 93, 1.0), (673, 180, 0.3)], 0.075
    )
    revs = saturate(unit(exhaust) * (1 + 0.5 * throttle), 3.0)
    return revs + 0.05 * coloured(rng, n, -6) + 0.09 * band_noise(rng, n, 830, 9000, 1)


def chainsaw(rng: np.random.Generator, n: int) -> Signal:
    """A chainsaw: a screaming two-stroke that bogs down as it bites."""
    bite = drift(rng, n, 0.9, -1.0, 1.0)
    pitch = rng.uniform(92, 105) * (1 - 0.29 * bite)
    scream = resonant(
        _firing(rng, pitch, 0.02, 0.8), [(495, 99, 1.0), (807, 161, 1.0), (3115, 623, 0.24)], 0.06
    )
    return 3 * saturate(0.3 * unit(scream), 2.5) + 0.3 * band_noise(rng, n, 830, 3560, 1)


def helicopter(rng: np.random.Generator, n: int) -> Signal:
    """Rotor blades that chop the air a dozen times a second, under a turbine's whine."""
    rate = rng.uniform(12, 14) * (1 + 0.03 * drift(rng, n, 1, -1, 1))
    turn = np.cumsum(rate) / RATE % 1.0
    chop = np.exp(-4 * turn) * np.minimum(turn / 0.38, 1)
    blades = band(coloured(rng, n, -3, 83), 20, 600, 1) * (0.15 + chop)
    thump = band(np.sin(2 * np.pi * turn) * chop, 10, 80, 1)
    turbine = buzz(np.full(n, rng.uniform(310, 350)), 1.0, 6000)
    near = curve(n, (0, 0.7), (0.5, 1.0), (1, 0.75))
    return (unit(blades) + 0.8 * unit(thump) + 0.087 * unit(turbine)) * near


def aeroplane(rng: np.random.Generator, n: int) -> Signal:
    """A propeller aeroplane that flies over and away, its drone sinking as it passes."""
    pitch = rng.uniform(120, 135) * curve(n, (0, 1.05), (0.35, 1.03), (0.65, 0.96), (1, 0.94))
    pitch = pitch * (1 + 0.014 * drift(rng, n, 20, -1, 1))
    blade = np.exp(-6 * (np.cumsum(pitch) / RATE % 1.0))
    propeller = unit(band(blade * (1 + 1.26 * white(rng, n)) - np.mean(blade), 50, 2940, 1))
    engine = 0.37 * unit(band(buzz(pitch / 2, 0.5, 1000), 60, 2940, 1))
    beat = 0.77 + 0.23 * np.sin(2 * np.pi * 1.06 * clock(n))
    return ((propeller + engine) * beat + 0.69 * coloured(rng, n, -5, 100)) * (0.5 + hump(n))


def traffic(rng: np.random.Generator, n: int) -> Signal:
    """A road: cars that pass one after another with a swell of tyres and engine."""
    out = 0.5 * coloured(rng, n, -6, 50)
    for at in beats(rng, n, rng.uniform(2.6, 3.4), 0.4, 0.0):
        length = samples(rng.uniform(2.6, 3.2))
        tyres = band_noise(rng, length, 700, 1000, 1)
        doppler = curve(length, (0, 1.08), (0.4, 1.06), (0.6, 0.93), (1, 0.92))
        pitch = rng.uniform(105, 130) * doppler * (1 + 0.01 * drift(rng, length, 20, -1, 1))
        engine = unit(band(buzz(pitch, 0.63, 4000), 40, 555, 1))
        passing = (0.46 * tyres + 2.0 * engine) * hump(length)
        place(out, max(0, at - length // 3), passing, rng.uniform(0.5, 1.0))
    return out


def train(rng: np.random.Generator, n: int) -> Signal:
    """A train on jointed rails: clickety-clack of wheel pairs over a rumble."""
    rail_s = rng.uniform(1.0, 1.2)
    length = samples(0.2)
    out = np.zeros(n)
    for at in beats(rng, n, rail_s, 0.02, 0.03):
        for place_in_rail in (0.0, 0.16, 0.42, 0.58):
            thud = band(white(rng, length) * decay(length, 0.077), 325, 650)
            clack = band(white(rng, length) * decay(length, 0.038), 1000, 5800, 1)
            joint = unit(thud) + 0.4 * unit(clack)
            place(out, at + samples(place_in_rail * rail_s), joint, rng.uniform(0.7, 1.2))
    rumble = coloured(rng, n, -4, 50) * drift(rng, n, 6, 0.6, 1.0)
    motor = unit(buzz(np.full(n, rng.uniform(94, 102)), 1.0, 3000))
    air = band_noise(rng, n, 300, 4480, 1)
    return reverb(rng, out, 0.5, 0.4) + 1.1 * rumble + 0.57 * air + 0.2 * motor


def drill(rng: np.random.Generator, n: int) -> Signal:
    """A hammer drill: the motor runs up, labours in the wall and runs down, over again."""
    out = np.zeros(n)
    for at in beats(rng, n, rng.uniform(2.1, 2.4), 0.1, 0.02):
        length = samples(1.8)
        speed = curve(length, (0, 0.2), (0.12, 1.0), (0.3, 0.87), (0.85, 0.9), (1, 0.2))
        motor = unit(buzz(rng.uniform(580, 630) * speed, -0.1, 14_000))
        motor *= 0.63 + 0.37 * sine(rng.uniform(43, 48) * speed)
        grind = 0.97 * band_noise(rng, length, 1500, 10_000, 1)
        bore = saturate(motor + grind, 2.6)
        place(out, at, bore * curve(length, (0, 0), (0.06, 1), (0.9, 1), (1, 0)))
    return reverb(rng, out, 0.4, 0.2)


def gunshot(rng: np.random.Generator, n: int) -> Signal:
    """Gun shots in the open: a crack, and an echo that comes back from the hills."""
    out = 0.013 * coloured(rng, n, -3)
    length = samples(1.0)
    for at in beats(rng, n, rng.uniform(0.8, 1.1), 0.3, 0.05):
        crack = unit(coloured(rng, length, -1.5, 300) * decay(length, 0.05, 0.0002))
        blast = unit(coloured(rng, length, -2.1, 234) * decay(length, 0.02, 0.002))
        echo = coloured(rng, length, -5, 120) * decay(length, 0.36, 0.03)
        place(out, at, saturate(0.2 * crack + blast, 2.9))
        place(out, at + samples(rng.uniform(0.07, 0.1)), echo, 0.19)
    return out


def fireworks(rng: np.random.Generator, n: int) -> Signal:
    """Rockets that whistle up, burst with a boom and crackle out."""
    out = 0.004 * coloured(rng, n, -4)
    for at in beats(rng, n, rng.uniform(1.3, 1.8), 0.4, 0.05):
        climb = samples(0.5)
        whistle = np.sin(np.cumsum(2 * np.pi * curve(climb, (0, 1800), (1, 3200)) / RATE))
        hiss = band_noise(rng, climb, 1500, 7000, 1)
        place(out, at, (0.25 * whistle + 0.3 * hiss) * curve(climb, (0, 0), (0.6, 1), (1, 0)), 0.12)
        length = samples(1.1)
        boom = saturate(coloured(rng, length, -5, 60) * decay(length, 0.13, 0.002), 2.0)
        place(out, at + climb, boom, rng.uniform(0.6, 1.0))
        tail = samples(0.9)
        for spark in scattered(rng, tail, 70):
            grain = samples(0.008)
            pop = band_noise(rng, grain, 1500, 9000, 1) * decay(grain, 0.0015, 0.0002)
            place(out, at + climb + samples(0.2) + spark, pop, rng.uniform(0.05, 0.3))
    return reverb(rng, out, 1.5, 0.4)
