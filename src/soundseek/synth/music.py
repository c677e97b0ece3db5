"""Music: struck bells and strings, plucked strings, drums and a flute."""

from __future__ import annotations

import numpy as np

from soundseek.synth.blocks import (
    Signal,
    band_noise,
    beats,
    clock,
    curve,
    decay,
    drift,
    place,
    resonant,
    reverb,
    samples,
    unit,
)
from soundseek.synth.tones import buzz, harmonics, plucked, sine, struck

_MAJOR = (0, 2, 4, 5, 7, 9, 11, 12)


def _note(semitones: float, base: float = 261.63) -> float:
    """The frequency so many equal-tempered semitones above `base` (middle C)."""
    return float(base * 2 ** (semitones / 12))


def church_bell(rng: np.random.Generator, n: int) -> Signal:
    """A church bell that tolls: the partials of a cast bell, its minor third and its long hum."""
    out = np.zeros(n)
    strike = rng.uniform(330, 480)
    ratios = (0.5, 1.0, 1.2, 1.5, 2.0, 2.5, 2.67, 3.0, 4.0, 5.3, 6.6)
    taus = (3.5, 2.2, 1.8, 1.2, 1.0, 0.6, 0.5, 0.45, 0.3, 0.18, 0.1)
    sizes = (0.5, 0.8, 0.7, 0.4, 1.0, 0.35, 0.3, 0.5, 0.35, 0.25, 0.15)
    # Each partial is split in two that beat, because no bell is perfectly round.
    frequencies = [strike * ratio * split for ratio in ratios for split in (0.9992, 1.0008)]
    length = min(n, samples(8))
    toll = struck(length, frequencies, np.repeat(taus, 2).tolist(), np.repeat(sizes, 2).tolist())
    toll += 0.6 * band_noise(rng, length, 1500, 7000, 1) * decay(length, 0.012)
    for at in beats(rng, n, rng.uniform(1.9, 2.6), 0.03, 0.05):
        place(out, at, toll, rng.uniform(0.8, 1.0))
    return reverb(rng, out, 1.8, 0.3)


def drums(rng: np.random.Generator, n: int) -> Signal:
    """A drum kit that plays a plain rock beat."""
    out = np.zeros(n)
    length = samples(0.35)
    kick = sine(50 + 110 * np.exp(-clock(length) / 0.025)) * decay(length, 0.11)
    kick += 0.3 * band_noise(rng, length, 1500, 5000, 1) * decay(length, 0.003)
    snare = struck(length, [185, 330], [0.06, 0.04], [0.7, 0.5])
    snare += band_noise(rng, length, 1200, 9000, 1) * decay(length, 0.065)
    step = 60 / rng.uniform(95, 130) / 2
    for index, at in enumerate(beats(rng, n, step, 0.008, 0.03)):
        beat = index % 8
        if beat in (0, 4, 5):
            place(out, at, kick, 1.3)
        if beat in (2, 6):
            place(out, at, snare, 0.8)
        hat = band_noise(rng, length, 7000, 15_000, 2)
        place(out, at, hat * decay(length, 0.09 if beat == 7 else 0.025), 0.3)
    return reverb(rng, out, 0.5, 0.15)


def piano(rng: np.random.Generator, n: int) -> Signal:
    """A piano: chords in the left hand and a melody in the right."""
    out = np.zeros(n)
    key = rng.uniform(-3, 4).__round__()
    chords = ((0, 4, 7), (-3, 0, 4), (5, 9, 12), (7, 11, 14))
    step = rng.uniform(0.34, 0.46)
    for index, at in enumerate(beats(rng, n, step, 0.02, 0.02)):
        chord = chords[(index // 4) % 4]
        if index % 4 == 0:
            for tone in chord:
                place(out, at, _piano_note(rng, _note(key + tone - 12), 2.2), 0.5)
        if rng.uniform() < 0.8:
            melody = float(rng.choice(chord)) + 12
            place(out, at, _piano_note(rng, _note(key + melody), 1.4), rng.uniform(0.5, 0.9))
    return reverb(rng, out, 0.9, 0.2)


def _piano_note(rng: np.random.Generator, pitch: float, length_s: float) -> Signal:
    """One note: strings whose overtones fade first, quickly and then slowly, and a felt hammer."""
    length = samples(length_s)
    numbers = np.arange(1, max(2, min(14, int(7000 / pitch))))
    frequencies = pitch * numbers * np.sqrt(1 + 0.0002 * numbers**2)
    sizes = numbers**-1.1 * np.abs(np.sin(np.pi * numbers / 9))
    taus = 2.7 * (262 / pitch) ** 0.5 / numbers**0.7
    tone = struck(length, frequencies.tolist(), (taus * 0.2).tolist(), sizes.tolist())
    tone += struck(length, frequencies.tolist(), taus.tolist(), (sizes * 0.45).tolist())
    knock = band_noise(rng, length, 100, 1500, 1) * decay(length, 0.012, 0.002)
    return (tone + 0.15 * knock) * curve(length, (0, 1), (0.9, 1), (1, 0))


def guitar(rng: np.random.Generator, n: int) -> Signal:
    """An acoustic guitar: chords picked string by string."""
    out = np.zeros(n)
    chords = ((0, 7, 12, 16, 19), (-3, 4, 9, 12, 16), (5, 9, 12, 17, 21), (-2, 2, 7, 10, 14))
    step = rng.uniform(0.24, 0.3)
    order = (0, 2, 3, 4, 3, 2)
    nail = samples(0.0125)
    for index, at in enumerate(beats(rng, n, step, 0.04, 0.02)):
        pitch = _note(chords[(index // 6) % 4][order[index % 6]], rng.uniform(81.8, 82.2))
        string = unit(plucked(rng, samples(1.6), pitch, 0.61))
        place(out, at, string * curve(len(string), (0, 1), (0.8, 1), (1, 0)), rng.uniform(0.6, 1.0))
        place(out, at, 0.29 * band_noise(rng, nail, 1500, 6000, 1) * decay(nail, 0.003))
    body = resonant(out, [(102, 25, 0.85), (204, 50, 1.18), (407, 200, 0.7)], 0.46)
    return reverb(rng, body, 0.5, 0.34)


def flute(rng: np.random.Generator, n: int) -> Signal:
    """A flute that plays a slow tune, breathy at each attack, with vibrato."""
    out = np.zeros(n)
    base = rng.uniform(520, 620)
    step = 0
    for at in beats(rng, n, rng.uniform(0.5, 0.7), 0.3, 0.02):
        step = int(np.clip(step + rng.integers(-2, 3), 0, len(_MAJOR) - 1))
        length = samples(rng.uniform(0.55, 0.75))
        shake = np.sin(2 * np.pi * 5.2 * clock(length)) * curve(length, (0, 0), (0.4, 1), (1, 1))
        tone = harmonics(
            _note(_MAJOR[step], base) * (1 + 0.006 * shake), [1, 0.45, 0.22, 0.08, 0.04]
        )
        breath = band_noise(rng, length, 800, 7000, 1) * curve(
            length, (0, 0.3), (0.15, 0.06), (1, 0.04)
        )
        swell = curve(length, (0, 0), (0.1, 1), (0.85, 0.9), (1, 0))
        place(out, at, (tone * (1 + 0.15 * shake) + breath) * swell)
    return reverb(rng, out, 1.4, 0.35)


def music_box(rng: np.random.Generator, n: int) -> Signal:
    """A music box: small steel tongues that ring high and clear."""
    out = np.zeros(n)
    base = rng.uniform(950, 1150)
    step = int(rng.integers(0, len(_MAJOR)))
    for index, at in enumerate(beats(rng, n, rng.uniform(0.24, 0.32), 0.03, 0.02)):
        step = (step + int(rng.integers(-2, 4))) % len(_MAJOR)
        for tone in (_MAJOR[step], _MAJOR[step] - 12) if index % 4 == 0 else (_MAJOR[step],):
            pitch = _note(tone, base)
            tongue = struck(
                samples(1.6), [pitch, pitch * 6.27, pitch * 2.0], [0.5, 0.05, 0.2], [1, 0.3, 0.12]
            )
            place(out, at, tongue, rng.uniform(0.6, 1.0))
    return reverb(rng, out, 0.8, 0.2)


def strings(rng: np.random.Generator, n: int) -> Signal:
    """Bowed strings that hold slow chords: several players a little apart in pitch."""
    out = np.zeros(n)
    for index, at in enumerate(beats(rng, n, 1.8, 0.05, 0.0)):
        length = samples(2.1)
        for tone in ((0, 4, 7, 12), (-3, 0, 4, 9), (5, 9, 12, 17), (-5, 2, 7, 11))[index % 4]:
            for _ in range(2):
                shake = 1 + 0.004 * np.sin(2 * np.pi * rng.uniform(5, 6.2) * clock(length))
                pitch = _note(tone, 220.0) * rng.uniform(0.998, 1.002) * shake
                pitch = pitch * (1 + 0.001 * drift(rng, length, 20, -1, 1))
                bowed = buzz(pitch, 0.9, 6000)
                place(out, at, bowed * curve(length, (0, 0), (0.18, 1), (0.8, 0.9), (1, 0)))
    return reverb(
        rng, resonant(out, [(300, 150, 0.6), (1000, 500, 0.6), (2600, 800, 0.5)], 0.2), 1.5, 0.3
    )
