"""From a kind's name to samples: seeding, level, fades and sample rate."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from soundseek.errors import SoundseekError
from soundseek.synth.blocks import RATE, Signal, samples
from soundseek.synth.kinds import KINDS, Kind

MIN_DURATION_S, MAX_DURATION_S = 0.05, 600.0
MIN_RATE, MAX_RATE = 4_000, 192_000

_FADE_S = 0.008
_PEAKS = (0.45, 0.85)


def generator(seed: int, name: str, variant: int) -> np.random.Generator:
    """The random numbers of one sound: the same for the same three arguments on every machine.

    `crc32` stands for the name because Python's own `hash` changes from process to process.
    """
    if seed < 0 or variant < 0:
        raise SoundseekError(
            f"a seed and a variant must not be negative: seed {seed}, variant {variant}",
            remedy="give 0 or a positive whole number",
        )
    return np.random.Generator(np.random.PCG64([seed, crc32(name.encode()), variant]))


def find_kind(name: str) -> Kind:
    """The kind called `name`; raises `SoundseekError` with the choices when there is none."""
    if name in KINDS:
        return KINDS[name]
    raise unknown_name("kind of sound", name, KINDS)


def unknown_name(what: str, name: str, choices: Iterable[str]) -> SoundseekError:
    """The error for a `name` that is none of the `choices`: lists them and the nearest."""
    names = sorted(choices)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return SoundseekError(
        f"no {what} is called {name!r}", remedy=f"{hint}choices: {', '.join(names)}"
    )


def render(
    kind: str,
    *,
    seed: int = 0,
    variant: int = 0,
    duration_s: float | None = None,
    sample_rate: int = RATE,
) -> NDArray[np.float32]:
    """One sound of `kind`: mono float32 `[round(duration_s * sample_rate)]`, peak in [0.3, 0.9].

    The same arguments give the same samples on every run. `duration_s` is the kind's own unless
    given; the sound fades in and out over a few milliseconds. Raises `SoundseekError` for an
    unknown kind, a negative seed, or a duration or sample rate out of range.
    """
    made = find_kind(kind)
    seconds = made.duration_s if duration_s is None else duration_s
    check_duration(seconds)
    check_rate(sample_rate)
    rng = generator(seed, kind, variant)
    peak = float(rng.uniform(*_PEAKS))
    sound = faded(made.build(rng, samples(seconds)), _FADE_S)
    return at_peak(resampled(sound, max(1, round(seconds * sample_rate))), peak)


def variants(
    kind: str, n: int, seed: int = 0, *, sample_rate: int = RATE
) -> list[NDArray[np.float32]]:
    """`n` different sounds of `kind`; the first is `render(kind, seed=seed)`."""
    return [render(kind, seed=seed, variant=i, sample_rate=sample_rate) for i in range(n)]


def check_duration(seconds: float) -> None:
    """Raises `SoundseekError` when a sound cannot be that long."""
    if not (math.isfinite(seconds) and MIN_DURATION_S <= seconds <= MAX_DURATION_S):
        raise SoundseekError(
            f"a sound cannot last {seconds} s",
            remedy=f"ask for {MIN_DURATION_S} to {MAX_DURATION_S:g} seconds",
        )


def check_rate(sample_rate: int) -> None:
    """Raises `SoundseekError` when a sound cannot be made at that rate."""
    if not MIN_RATE <= sample_rate <= MAX_RATE:
        raise SoundseekError(
            f"sounds cannot be made at {sample_rate} Hz",
            remedy=f"ask for a sample rate of {MIN_RATE} to {MAX_RATE} Hz",
        )


def faded(x: Signal, seconds: float) -> Signal:
    """`x` with straight fades of `seconds` at both ends, shorter where `x` is short."""
    length = min(samples(seconds), len(x) // 2)
    ramp = np.arange(length) / max(1, length)
    out = x.copy()
    out[:length] *= ramp
    out[len(x) - length :] *= ramp[::-1]
    return out


def resampled(x: Signal, n: int) -> Signal:
    """`x` brought to `n` samples over the same time by cutting or extending its spectrum.

    Exact for a sound that begins and ends in silence, as faded sounds do; nothing aliases.
    """
    if n == len(x):
        return x
    spectrum = np.fft.rfft(x)[: n // 2 + 1]
    return np.fft.irfft(spectrum, n) * (n / len(x))


def at_peak(x: Signal, peak: float) -> NDArray[np.float32]:
    """`x` without offset, scaled to `peak`, as float32."""
    centred = x - np.mean(x)
    scaled: NDArray[np.float32] = (centred * (peak / np.max(np.abs(centred)))).astype(np.float32)
    return scaled
