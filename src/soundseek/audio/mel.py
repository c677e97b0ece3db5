"""Mel filter matrices: from the bins of a spectrum to bands spaced as the ear hears them.

Three conventions are in use, and a network only works with the one it was trained with:

- `slaney`: librosa's default. Linear below 1 kHz, logarithmic above; triangles that are straight
  in Hz, each scaled to unit area. PANNs, the DCASE baselines.
- `htk`: mel = 1127 ln(1 + f / 700); triangles that are straight in mel, with peak 1; nothing
  from the zero-frequency bin. VGGish, YAMNet.
- `kaldi`: like `htk`, over all bins but the last (the Nyquist bin). BEATs, PaSST, AST.

Narrow bands may fall between two bins and stay empty, as they do in the originals.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from soundseek.errors import AudioError

MelScale = Literal["slaney", "htk", "kaldi"]

_SLANEY_HZ_PER_MEL = 200.0 / 3.0
_SLANEY_BREAK_HZ = 1000.0
_SLANEY_BREAK_MEL = _SLANEY_BREAK_HZ / _SLANEY_HZ_PER_MEL
_SLANEY_LOG_STEP = np.log(6.4) / 27.0

_Floats = NDArray[np.float64]


def mel_matrix(
    scale: MelScale, sample_rate: int, fft_size: int, bands: int, f_min: float, f_max: float
) -> NDArray[np.float32]:
    """Return the weights [fft_size // 2 + 1, bands] float32 of `bands` triangles.

    `f_min` and `f_max` are in Hz: the foot of the first triangle and the end of the last. The
    weights are computed in float64 and rounded once.

    Raises AudioError if 0 ≤ f_min < f_max ≤ sample_rate / 2 does not hold, if every band is empty,
    or for another scale.
    """
    if not 0 <= f_min < f_max <= sample_rate / 2 or bands < 1:
        raise AudioError(
            f"{bands} mel bands from {f_min:g} to {f_max:g} Hz at {sample_rate} Hz",
            remedy="0 ≤ f_min < f_max ≤ half the sample rate, and at least one band",
        )
    bins = np.arange(fft_size // 2 + 1, dtype=np.float64) * (sample_rate / fft_size)
    if scale == "slaney":
        low, high = _hz_to_slaney(np.array([f_min, f_max])).tolist()
        edges = _slaney_to_hz(np.linspace(low, high, bands + 2))
        weights = _triangles(bins, edges)
        weights *= 2.0 / (edges[2:] - edges[:-2])
    elif scale in ("htk", "kaldi"):
        low, high = _hz_to_htk(np.array([f_min, f_max])).tolist()
        edges = np.linspace(low, high, bands + 2)
        weights = _triangles(_hz_to_htk(bins), edges)
        weights[0 if scale == "htk" else -1] = 0.0
    else:
        raise AudioError(f"mel scale {scale!r}", remedy="use slaney, htk or kaldi")
    if not weights.any():
        raise AudioError(
            f"no bin of a {fft_size}-point spectrum lies in the mel bands"
            f" from {f_min:g} to {f_max:g} Hz",
            remedy="widen the range or lengthen the FFT",
        )
    return weights.astype(np.float32)


def _triangles(points: _Floats, edges: _Floats) -> _Floats:
    """Return [points, bands]: band b rises from edge b to b + 1 and falls to edge b + 2."""
    low, peak, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (points[:, None] - low) / (peak - low)
    falling = (high - points[:, None]) / (high - peak)
    result: _Floats = np.maximum(0.0, np.minimum(rising, falling))
    return result


def _hz_to_htk(hz: _Floats) -> _Floats:
    result: _Floats = 1127.0 * np.log1p(hz / 700.0)
    return result


def _hz_to_slaney(hz: _Floats) -> _Floats:
    above = np.log(np.maximum(hz, _SLANEY_BREAK_HZ) / _SLANEY_BREAK_HZ) / _SLANEY_LOG_STEP
    return np.where(hz < _SLANEY_BREAK_HZ, hz / _SLANEY_HZ_PER_MEL, _SLANEY_BREAK_MEL + above)


def _slaney_to_hz(mel: _Floats) -> _Floats:
    above = _SLANEY_BREAK_HZ * np.exp(_SLANEY_LOG_STEP * np.maximum(mel - _SLANEY_BREAK_MEL, 0.0))
    return np.where(mel < _SLANEY_BREAK_MEL, mel * _SLANEY_HZ_PER_MEL, above)
