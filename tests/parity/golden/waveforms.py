"""The test sound behind the golden arrays, rebuilt bit for bit at any rate (NumPy alone)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SECONDS = {"short": 1.3, "mid": 5.0, "long": 10.0}
_SEEDS = {name: 20_220_000 + index for index, name in enumerate(_SECONDS)}


def waveform(name: str, sample_rate: int) -> NDArray[np.float32]:
    """Return `short`, `mid` or `long`: mono float32 in [-1, 1].

    Chirps, decaying tones and noise bursts over a floor of noise (so that no mel level is a matter
    of rounding), with one gap of exact zeros (so that the logarithm's floor is exercised). The
    order of the random draws is part of the definition.
    """
    seconds, seed = _SECONDS[name], _SEEDS[name]
    n = round(sample_rate * seconds)
    t = np.arange(n, dtype=np.float64) / sample_rate
    rng = np.random.default_rng(seed)
    out = np.zeros(n)
    top = 0.42 * sample_rate
    for low, high, gain in ((80.0, 6000.0, 0.22), (9000.0, 200.0, 0.12)):
        lo, hi = (min(f * 2.0 ** rng.uniform(-1.5, 0.3), top) for f in (low, high))
        phase = 2 * np.pi * (lo * t + (hi - lo) * t**2 / (2 * seconds)) + rng.uniform(0, 6.28)
        out += gain * np.sin(phase)
    for _ in range(max(3, int(3 * seconds))):
        freq = 10 ** rng.uniform(2.0, 3.5)
        start, decay = rng.uniform(0, 0.9 * seconds), rng.uniform(0.05, 0.6)
        gain, offset = rng.uniform(0.05, 0.25), rng.uniform(0, 2 * np.pi)
        u = np.maximum(t - start, 0.0)
        envelope = gain * (1 - np.exp(-u / 0.005)) * np.exp(-u / decay)
        out += envelope * np.sin(2 * np.pi * freq * u + offset)
    for _ in range(max(2, int(seconds))):
        start = rng.uniform(0, 0.9 * seconds)
        length = int(rng.uniform(0.03, 0.3) * sample_rate)
        gain = rng.uniform(0.05, 0.35)
        i = int(start * sample_rate)
        m = min(length, n - i)
        noise = np.random.default_rng([seed, i]).standard_normal(m)
        out[i : i + m] += gain * np.hanning(length)[:m] * noise
    out += 2e-3 * rng.standard_normal(n)
    gate = np.where((t > 0.55 * seconds) & (t < 0.60 * seconds), 0.0, 1.0)
    return np.clip(out * gate, -1.0, 1.0).astype(np.float32)
