"""Animals: voices with formants, songs of swept tones, chirps of pulses."""

from __future__ import annotations

from dataclasses import dataclass

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
    drift,
    hump,
    place,
    resonant,
    reverb,
    samples,
    saturate,
    unit,
    white,
)
from soundseek.synth.tones import buzz, harmonics, mouth, sine

_Track = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class _Throat:
    """How an animal calls. Tracks are (position, value) points over the length of a call."""

    pitch: _Track
    formants: tuple[tuple[_Track, float, float], ...]
    """(centre in Hz, half-width in Hz, gain) of each."""
    envelope: _Track
    tilt: float
    """How fast the overtones of the vocal folds fall."""
    breath: float
    """Turbulent air, as a share of the tone."""
    rough: float
    """Random tremble of the pitch, as a share of it."""
    drive: float
    """How hard the call is pressed."""
    growl: float = 0.0
    """Depth of a 70 Hz flutter of the loudness."""


def _call(rng: np.random.Generator, throat: _Throat, length_s: float, size: float = 1.0) -> Signal:
    """One call; a `size` above 1 is a bigger animal, lower in pitch."""
    n = samples(length_s)
    tremble = throat.rough * (drift(rng, n, 60, -1, 1) + drift(rng, n, 17, -1, 1))
    folds = buzz(curve(n, *throat.pitch) / size * (1 + tremble), throat.tilt, 9000)
    formants = [(curve(n, *track), width, gain) for track, width, gain in throat.formants]
    tone = unit(mouth(unit(folds) + throat.breath * white(rng, n), formants))
    tone *= 1 + throat.growl * np.sin(2 * np.pi * 70 * clock(n))
    return saturate(tone, throat.drive) * curve(n, *throat.envelope)


def _outdoors(rng: np.random.Generator, x: Signal, wet: float) -> Signal:
    """`x` under the open sky: a little echo, and the quiet that is never quite silent."""
    return reverb(rng, x, 0.6, wet) + 0.004 * coloured(rng, len(x), -3)


_DOG = _Throat(
    pitch=((0, 307), (0.2, 520), (1, 416)),
    formants=(
        (((0, 730), (0.4, 1290), (1, 875)), 200, 1.0),
        (((0, 2330), (1, 1870)), 255, 0.6),
        (((0, 3140), (1, 3140)), 295, 0.3),
    ),
    envelope=((0, 0), (0.145, 1), (0.47, 0.8), (1, 0)),
    tilt=0.0,
    breath=0.7,
    rough=0.015,
    drive=1.7,
)


def dog_bark(rng: np.random.Generator, n: int) -> Signal:
    """Barks, one by one or in pairs: short, hoarse, from a mouth that snaps open."""
    out = np.zeros(n)
    size = rng.uniform(0.95, 1.15)
    pause = rng.uniform(0.55, 0.7)
    for at in beats(rng, n, pause, 0.08, 0.05):
        bark = _call(rng, _DOG, rng.uniform(0.13, 0.15) * size, size * rng.uniform(0.97, 1.03))
        place(out, at, bark, rng.uniform(0.8, 1.0))
        if rng.uniform() < 0.25:
            place(out, at + samples(pause * 0.45), bark, 0.8)
    return _outdoors(rng, out, 0.35)


_CAT = _Throat(
    pitch=((0, 544), (0.22, 637), (1, 601)),
    formants=(
        (((0, 900), (0.4, 1220), (1, 572)), 183, 1.0),
        (((0, 3000), (1, 1810)), 315, 0.6),
        (((0, 3285), (1, 3285)), 296, 0.3),
    ),
    envelope=((0, 0), (0.1, 1), (0.64, 0.8), (1, 0)),
    tilt=0.06,
    breath=0.01,
    rough=0.003,
    drive=0.3,
)


def cat_meow(rng: np.random.Generator, n: int) -> Signal:
    """Meows: a mouth that opens from "ee" through "ah" to "oo" on a pitch that rises."""
    out = np.zeros(n)
    size = rng.uniform(0.95, 1.08)
    for at in beats(rng, n, rng.uniform(1.4, 1.6), 0.1, 0.05):
        place(out, at, _call(rng, _CAT, rng.uniform(0.92, 1.05), size), rng.uniform(0.8, 1.0))
    return _outdoors(rng, out, 0.02)


_COW = _Throat(
    pitch=((0, 138), (0.19, 172), (1, 101)),
    formants=(
        (((0, 232), (0.4, 469), (1, 503)), 70, 1.0),
        (((0, 1044), (1, 990)), 110, 0.6),
        (((0, 1800), (1, 1800)), 162, 0.3),
    ),
    envelope=((0, 0), (0.16, 1), (0.67, 0.8), (1, 0)),
    tilt=1.03,
    breath=0.17,
    rough=0.026,
    drive=0.5,
)


def cow(rng: np.random.Generator, n: int) -> Signal:
    """Moos: low and nasal at first, then open, and sinking."""
    out = np.zeros(n)
    size = rng.uniform(0.93, 1.08)
    for at in beats(rng, n, rng.uniform(2.0, 2.4), 0.1, 0.05):
        place(out, at, _call(rng, _COW, rng.uniform(1.4, 1.7) * size, size))
    return _outdoors(rng, out, 0.17)


_ROOSTER = _Throat(
    pitch=((0, 758), (0.54, 1066), (1, 800)),
    formants=(
        (((0, 1290), (0.4, 985), (1, 1090)), 150, 1.0),
        (((0, 2060), (1, 2250)), 216, 0.6),
        (((0, 4270), (1, 4270)), 384, 0.3),
    ),
    envelope=((0, 0), (0.05, 1), (0.12, 0.2), (0.19, 1), (0.88, 0.8), (1, 0)),
    tilt=0.64,
    breath=0.66,
    rough=0.05,
    drive=1.65,
    growl=0.08,
)


def rooster(rng: np.random.Generator, n: int) -> Signal:
    """A cock's crow: a short call and a long one that climbs, cracks and falls."""
    out = np.zeros(n)
    size = rng.uniform(0.95, 1.1)
    for at in beats(rng, n, 2.2, 0.1, 0.05):
        place(out, at, _call(rng, _ROOSTER, rng.uniform(1.35, 1.55), size))
    return _outdoors(rng, out, 0.1)


_CROW = _Throat(
    pitch=((0, 215), (0.45, 492), (1, 434)),
    formants=(
        (((0, 950), (0.4, 1500), (1, 1200)), 225, 1.0),
        (((0, 1800), (1, 1770)), 189, 0.6),
        (((0, 3425), (1, 3425)), 308, 0.3),
    ),
    envelope=((0, 0), (0.18, 1), (0.78, 0.8), (1, 0)),
    tilt=0.29,
    breath=0.8,
    rough=0.005,
    drive=4.0,
    growl=0.39,
)


def crow(rng: np.random.Generator, n: int) -> Signal:
    """Caws: harsh, noisy calls in a series."""
    out = np.zeros(n)
    size = rng.uniform(0.95, 1.1)
    for at in beats(rng, n, rng.uniform(0.6, 0.75), 0.08, 0.05):
        place(out, at, _call(rng, _CROW, rng.uniform(0.31, 0.36), size), rng.uniform(0.8, 1.0))
    return _outdoors(rng, out, 0.05)


def sheep(rng: np.random.Generator, n: int) -> Signal:
    """Bleats: a nasal "meh" that quavers in pitch and loudness."""
    out = np.zeros(n)
    base = rng.uniform(340, 395)
    quaver_hz = rng.uniform(11.5, 13.5)
    for at in beats(rng, n, rng.uniform(1.3, 1.6), 0.1, 0.05):
        length = samples(rng.uniform(0.6, 0.75))
        quaver = np.sin(2 * np.pi * quaver_hz * clock(length))
        pitch = base * curve(length, (0, 0.9), (0.2, 1.05), (1, 0.9)) * (1 + 0.04 * quaver)
        pitch = pitch * (1 + 0.015 * drift(rng, length, 60, -1, 1))
        throat = unit(buzz(pitch, 0.73, 9000)) + 0.43 * white(rng, length)
        bleat = unit(mouth(throat, [(850, 85, 1.0), (1300, 91, 0.7), (3100, 186, 0.4)]))
        bleat = saturate(bleat * (0.47 + 0.53 * quaver), 1.0)
        place(out, at, bleat * curve(length, (0, 0), (0.08, 1), (0.7, 0.8), (1, 0)))
    return _outdoors(rng, out, 0.05)


def frog(rng: np.random.Generator, n: int) -> Signal:
    """Croaks: quick trains of noisy pulses, speeding up, that ring in a throat sac."""
    out = np.zeros(n)
    sac = rng.uniform(950, 1150)
    rate = rng.uniform(38, 46)
    for at in beats(rng, n, rng.uniform(0.75, 0.95), 0.15, 0.05):
        length = samples(rng.uniform(0.27, 0.34))
        speed = rate * curve(length, (0, 1), (1, 1.4)) * (1 + 0.09 * drift(rng, length, 40, -1, 1))
        turn = np.cumsum(speed) / RATE % 1.0
        pulses = np.exp(-4.5 * turn) * white(rng, length)
        ring = [(sac, sac * 0.1, 1.0), (sac * 1.66, sac * 0.115, 0.6), (sac * 4.4, sac * 0.26, 0.4)]
        croak = unit(mouth(pulses, ring)) * curve(length, (0, 0.1), (0.4, 1), (0.9, 0.9), (1, 0))
        place(out, at, croak)
    return reverb(rng, out, 0.8, 0.05) + 0.04 * coloured(rng, n, -3)


def bee(rng: np.random.Generator, n: int) -> Signal:
    """A bee that circles close by: a wing-beat buzz that comes and goes."""
    near = drift(rng, n, 1.2, 0.2, 1.0)
    wing = rng.uniform(235, 262) * (1 + 0.15 * (near - 0.5))
    wing = wing * (1 + 0.02 * drift(rng, n, 12, -1, 1) + 0.01 * drift(rng, n, 60, -1, 1))
    tone = unit(buzz(wing, 0.68, 9000)) + 0.11 * band_noise(rng, n, 200, 4800, 1)
    body = unit(resonant(tone, [(553, 553, 1.0), (2212, 1106, 0.21)], 0.05))
    return body * near * drift(rng, n, 35, 0.31, 1.0) + 0.08 * coloured(rng, n, -3)


def crickets(rng: np.random.Generator, n: int) -> Signal:
    """A summer night: several crickets, each with chirps of two or three pulses near 4.2 kHz."""
    out = 0.005 * coloured(rng, n, -3.7)
    pace = rng.uniform(0.45, 0.53)
    length = samples(0.017)
    for cricket in range(5):
        pulse = sine(np.full(length, 4220 * rng.uniform(0.95, 1.05))) * hump(length, 1.32)
        near = 1.0 if cricket == 0 else 0.73 * rng.uniform(0.3, 1.0)
        pulses = 2 + cricket % 2
        for at in beats(rng, n, pace * rng.uniform(0.9, 1.1), 0.04, rng.uniform(0.0, 0.3)):
            for index in range(pulses):
                place(out, at + samples(index * 0.034), pulse, near * (0.7 + 0.1 * index))
    return reverb(rng, out, 0.6, 0.43)


def birds(rng: np.random.Generator, n: int) -> Signal:
    """Songbirds: phrases of a few syllables, each a quick sweep, that a bird likes to repeat."""
    out = 0.004 * coloured(rng, n, -3)
    for gain, first_s in ((1.0, 0.02), (0.5, 0.4), (0.25, 0.9)):
        top = rng.uniform(3200, 5500)
        songs = []
        for _ in range(3):
            length = samples(rng.uniform(0.05, 0.13))
            turn = rng.uniform(0.2, 0.8)
            sweep = curve(
                length, (0, rng.uniform(0.7, 1.2)), (turn, 1.0), (1, rng.uniform(0.65, 1.25))
            )
            trill = 1 + rng.uniform(0.0, 0.05) * np.sin(2 * np.pi * 45 * clock(length))
            songs.append(harmonics(top * sweep * trill, [1, 0.12, 0.04]) * hump(length, 0.8))
        for at in beats(rng, n, rng.uniform(1.0, 1.6), 0.3, first_s):
            song = songs[int(rng.integers(0, len(songs)))]
            gap = rng.uniform(0.02, 0.07)
            for index in range(int(rng.integers(3, 8))):
                place(out, at + index * (len(song) + samples(gap)), song, gain)
    return reverb(rng, out, 0.9, 0.2)


def owl(rng: np.random.Generator, n: int) -> Signal:
    """An owl's hoots in fours: soft, round and low, each falling at its end."""
    out = np.zeros(n)
    pitch = rng.uniform(425, 455)
    for at in beats(rng, n, rng.uniform(2.7, 3.1), 0.05, 0.05):
        for delay, length_s in ((0.0, 0.34), (0.59, 0.1), (0.84, 0.17), (1.16, 0.19)):
            length = samples(length_s)
            glide = pitch * curve(length, (0, 0.825), (0.3, 1), (1, 0.6))
            hoot = harmonics(glide, [1, 0.13])
            hoot += 0.22 * band_noise(rng, length, pitch * 0.8, pitch * 1.6, 1)
            place(out, at + samples(delay), hoot * hump(length, 0.8))
    return band(out, 20, 815, 1) + 0.02 * coloured(rng, n, -4.5)
