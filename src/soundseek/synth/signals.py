"""Signals made to be heard: sirens, horns, bells of telephones, beeps, tones and static."""

from __future__ import annotations

import numpy as np

from soundseek.synth.blocks import (
    Signal,
    band,
    band_noise,
    beats,
    clock,
    coloured,
    curve,
    decay,
    drift,
    gate,
    place,
    resonant,
    reverb,
    samples,
    saturate,
    unit,
    white,
)
from soundseek.synth.tones import buzz, harmonics, sine, struck


def siren(rng: np.random.Generator, n: int) -> Signal:
    """An emergency siren that wails up and down through a horn loudspeaker, in a street."""
    t = clock(n)
    low, high = rng.uniform(550, 700), rng.uniform(1250, 1550)
    speed = rng.uniform(0.22, 0.4)
    sweep = (1 - np.cos(2 * np.pi * speed * t + rng.uniform(0, 2))) / 2
    tone = harmonics(low * (high / low) ** sweep, [1, 0.25, 0.45, 0.12, 0.2, 0.06, 0.1])
    horn = resonant(tone, [(1200, 700, 1.0), (2800, 900, 0.6)], 0.15)
    return reverb(rng, unit(horn), 1.2, 0.5) + 0.02 * white(rng, n)


def two_tone_siren(rng: np.random.Generator, n: int) -> Signal:
    """A European ambulance in traffic: two notes, nearly a fourth apart, in turn."""
    low = rng.uniform(610, 670)
    high_now = (clock(n) % rng.uniform(0.9, 1.05)) < 0.48
    tone = buzz(np.where(high_now, low * 1.235, low), 1.2, 5000)
    horn = unit(resonant(tone, [(1440, 1208, 1.0), (1940, 1626, 0.7)], 0.3))
    street = band(reverb(rng, horn, 0.4, 0.22), 20, 2300, 1)
    return street + 0.17 * coloured(rng, n, -5, 50)


def alarm_clock(rng: np.random.Generator, n: int) -> Signal:
    """A digital alarm: groups of four short piezo beeps."""
    frequency = rng.uniform(1900, 2300)
    beep_s = rng.uniform(0.07, 0.09)
    length = samples(beep_s)
    beep = harmonics(np.full(length, frequency), [1, 0.1, 0.45, 0.05, 0.25, 0, 0.15])
    beep *= gate(length, beep_s, 0.002)
    out = 0.002 * white(rng, n)
    for start in beats(rng, n, 1.0):
        for index in range(4):
            place(out, start + index * samples(beep_s * 1.6), beep)
    return out


def telephone(rng: np.random.Generator, n: int) -> Signal:
    """An old telephone: a clapper between two brass gongs, ringing and pausing."""
    out = np.zeros(n)
    length = samples(0.9)
    base = rng.uniform(1250, 1400)
    sizes = [1.0, 1.0, 0.42, 0.25]
    taus = [0.32, 0.26, 0.16, 0.1]
    gongs = []
    for pitch in (base, base * 1.23):
        gong = struck(length, [pitch * ratio for ratio in (1.0, 2.85, 4.4, 6.6)], taus, sizes)
        tap = band_noise(rng, length, 1500, 9000, 1) * decay(length, 0.002)
        gongs.append(gong + 0.12 * tap)
    ring_s = rng.uniform(1.5, 1.9)
    for start in beats(rng, n, ring_s + rng.uniform(1.2, 1.5)):
        for stroke in range(int(ring_s * 25)):
            place(out, start + samples(stroke / 25), gongs[stroke % 2], rng.uniform(0.7, 1.0))
    return out + 0.04 * coloured(rng, n, -4)


def dial_tone(rng: np.random.Generator, n: int) -> Signal:
    """The steady 350 + 440 Hz of a free line, with a little line noise."""
    t = clock(n)
    tone: Signal = np.sin(2 * np.pi * 350 * t) + np.sin(2 * np.pi * 440 * t + rng.uniform(0, 6))
    return tone + 0.01 * band_noise(rng, n, 300, 3400, 2)


def busy_tone(rng: np.random.Generator, n: int) -> Signal:
    """480 + 620 Hz, half a second on and half a second off."""
    t = clock(n)
    on: Signal = np.clip(np.sin(2 * np.pi * (t + 0.01)) * 60, 0, 1)
    tone: Signal = np.sin(2 * np.pi * 480 * t) + np.sin(2 * np.pi * 620 * t + rng.uniform(0, 6))
    return on * tone + 0.01 * band_noise(rng, n, 300, 3400, 2)


def _horn(rng: np.random.Generator, n: int, notes: list[float], rolloff: float) -> Signal:
    """Several reeds blown together, each a little unsteady and sagging at the end."""
    out = np.zeros(n)
    sag = curve(n, (0, 0.97), (0.06, 1.0), (0.92, 1.0), (1, 0.97))
    for note in notes:
        frequency = note * sag * (1 + 0.002 * drift(rng, n, 8, -1, 1))
        out += rng.uniform(0.7, 1.0) * buzz(frequency, rolloff, 9000)
    return out * curve(n, (0, 0), (0.03, 1), (0.93, 1), (1, 0))


def car_horn(rng: np.random.Generator, n: int) -> Signal:
    """Two hoots of a car's pair of horns, a major third apart."""
    out = np.zeros(n)
    low = rng.uniform(390, 430)
    lengths = [rng.uniform(0.25, 0.5), rng.uniform(0.6, 1.3)]
    at = 0.05
    while samples(at) < n:
        for length_s in lengths:
            tone = _horn(rng, samples(length_s), [low, low * 1.24], 0.5)
            place(out, samples(at), resonant(tone, [(2400, 1200, 1.0), (800, 400, 0.6)], 0.1))
            at += length_s + rng.uniform(0.12, 0.3)
        at += rng.uniform(1.0, 2.0)
    return reverb(rng, unit(out), 0.7, 0.3) + 0.01 * band_noise(rng, n, 50, 1000, 1)


def train_horn(rng: np.random.Generator, n: int) -> Signal:
    """A diesel locomotive's horn: a chord in long blasts, with an echo and the train's rumble."""
    out = np.zeros(n)
    base = rng.uniform(335, 370)
    for at in beats(rng, n, 2.2, 0.05, 0.05):
        blast = _horn(rng, samples(rng.uniform(1.4, 1.7)), [base, base * 1.15, base * 1.587], 1.5)
        place(out, at, unit(resonant(blast, [(1013, 830, 1.0), (3090, 2530, 0.33)], 0.1)))
    return reverb(rng, out, 0.75, 1.5) + 0.24 * coloured(rng, n, -4, 40)


def ship_horn(rng: np.random.Generator, n: int) -> Signal:
    """A fog horn: low reeds that beat against each other, blown long, rolling over water."""
    out = np.zeros(n)
    note = rng.uniform(125, 145)
    for at in beats(rng, n, 2.6, 0.05, 0.05):
        blast = _horn(rng, samples(rng.uniform(1.8, 2.1)), [note, note * 1.01, note * 1.046], 0.45)
        place(out, at, unit(resonant(blast, [(490, 336, 1.0), (953, 654, 0.31)], 0.12)))
    return reverb(rng, band(out, 20, 2300), 0.95, 1.0) + 0.27 * coloured(rng, n, -4, 40)


def smoke_alarm(rng: np.random.Generator, n: int) -> Signal:
    """A smoke detector: three piercing beeps at about 3.1 kHz and a pause."""
    frequency = rng.uniform(2900, 3300)
    length = samples(0.5)
    beep = harmonics(np.full(length, frequency), [1, 0.2, 0.35, 0.1]) * gate(length, 0.5)
    out = np.zeros(n)
    for start in beats(rng, n, 4.0):
        for index in range(3):
            place(out, start + samples(index * 1.0), beep)
    return reverb(rng, out, 0.5, 0.15)


def reversing_beeps(rng: np.random.Generator, n: int) -> Signal:
    """A lorry reversing: one tone on and off, over a dark engine."""
    period = rng.uniform(0.8, 0.92)
    on = np.clip(np.sin(2 * np.pi * clock(n) / period + 0.05) * 40, 0, 1)
    beep = harmonics(np.full(n, rng.uniform(1900, 2100)), [1, 0, 0.34, 0, 0.17]) * on
    engine = unit(band(buzz(np.full(n, rng.uniform(27, 31)), 0.4, 1500), 40, 1030, 1))
    return reverb(rng, beep, 0.6, 0.2) + 0.42 * engine + 0.85 * coloured(rng, n, -4, 60)


def doorbell(rng: np.random.Generator, n: int) -> Signal:
    """Ding-dong: two struck bars, a fourth down."""
    out = np.zeros(n)
    high = rng.uniform(980, 1090)
    length = samples(2.0)
    for start in beats(rng, n, 3.0, 0.05, 0.05):
        for index, pitch in enumerate((high, high * 0.75)):
            bar = struck(
                length, [pitch, pitch * 1.9, pitch * 3.54], [0.83, 0.42, 0.17], [1, 0.71, 0.74]
            )
            bar += 0.37 * band_noise(rng, length, 1000, 8000, 1) * decay(length, 0.003)
            place(out, start + index * samples(0.74), bar)
    return reverb(rng, out, 0.5, 0.12) + 0.005 * coloured(rng, n, -4)


def laser_zap(rng: np.random.Generator, n: int) -> Signal:
    """A video game's laser: bright tones that fall by several octaves in a fraction of a second."""
    out = np.zeros(n)
    for at in beats(rng, n, rng.uniform(0.35, 0.6), 0.2):
        length = samples(rng.uniform(0.18, 0.35))
        top, bottom = rng.uniform(3000, 5500), rng.uniform(120, 300)
        fall = top * (bottom / top) ** (np.arange(length) / length)
        place(out, at, harmonics(fall, [1, 0, 0.4, 0, 0.25, 0, 0.15]) * decay(length, 0.15))
    return out


def static(rng: np.random.Generator, n: int) -> Signal:
    """An untuned radio: white noise that breathes a little."""
    return white(rng, n) * drift(rng, n, 3, 0.85, 1.0)


def radar_ping(rng: np.random.Generator, n: int) -> Signal:
    """A submarine's sonar: a pure tone that dies away in a long underwater echo."""
    out = np.zeros(n)
    pitch = rng.uniform(900, 1300)
    for at in beats(rng, n, rng.uniform(2.2, 3.0), 0.02, 0.05):
        length = samples(1.6)
        glide = pitch * curve(length, (0, 1.01), (0.1, 1.0), (1, 0.995))
        place(out, at, sine(glide) * decay(length, 0.3, 0.01))
    return saturate(reverb(rng, out, 2.0, 0.8), 1.0) + 0.003 * band_noise(rng, n, 50, 600, 1)
