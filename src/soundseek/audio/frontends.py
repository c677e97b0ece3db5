"""Front-ends in NumPy: log-mel and Kaldi filter-bank features, as `FrontEndSpec` describes them."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from soundseek.audio.mel import mel_matrix
from soundseek.audio.spec import FrontEndSpec
from soundseek.errors import AudioError

__all__ = [
    "PRESETS",
    "FrontEndSpec",
    "analysis_window",
    "features",
    "least_samples",
    "mel_weights",
    "n_frames",
]

# Frames worked on together: their spectra stay in the processor's cache.
_FRAMES_AT_ONCE = 128
# Bands multiplied together.
_BANDS_AT_ONCE = 16

_Floats = NDArray[np.float32]

_PANNS_32K = FrontEndSpec(
    sample_rate=32_000,
    padding="reflect",
    window_samples=1024,
    hop_samples=320,
    fft_size=1024,
    mel_scale="slaney",
    bands=64,
    f_min=50.0,
    f_max=14_000.0,
    compression="db",
    floor=1e-10,
)
_VGGISH_16K = FrontEndSpec(
    sample_rate=16_000,
    padding="none",
    window_samples=400,
    hop_samples=160,
    fft_size=512,
    spectrum="magnitude",
    mel_scale="htk",
    bands=64,
    f_min=125.0,
    f_max=7500.0,
    compression="ln_offset",
    floor=0.01,
)

PRESETS: Final[dict[str, FrontEndSpec]] = {
    # Kong et al. 2020, PANNs: Cnn10, Cnn14, ResNet38.
    "panns_32k": _PANNS_32K,
    # The same paper's Cnn14_16k.
    "panns_16k": FrontEndSpec.from_dict(
        _PANNS_32K.to_dict()
        | {
            "sample_rate": 16_000,
            "window_samples": 512,
            "hop_samples": 160,
            "fft_size": 512,
            "f_max": 8000.0,
        }
    ),
    # DCASE 2022 task 6B baseline, with librosa 0.9 or later (earlier ones padded by reflection).
    "dcase2022_44k": FrontEndSpec(
        sample_rate=44_100,
        padding="zeros",
        window_samples=1764,
        hop_samples=882,
        fft_size=2048,
        mel_scale="slaney",
        bands=64,
        f_min=12.0,
        f_max=8000.0,
        compression="ln_offset",
        floor=float(np.spacing(1.0)),
    ),
    # Hershey et al. 2017, VGGish.
    "vggish_16k": _VGGISH_16K,
    # YAMNet differs from VGGish by the offset of its logarithm only.
    "yamnet_16k": FrontEndSpec.from_dict(_VGGISH_16K.to_dict() | {"floor": 0.001}),
    # Chen et al. 2022, BEATs: Kaldi's filter bank.
    "beats_16k": FrontEndSpec(
        sample_rate=16_000,
        gain=32_768.0,
        pre_emphasis="frame",
        pre_emphasis_coefficient=0.97,
        padding="none",
        window_samples=400,
        hop_samples=160,
        remove_frame_mean=True,
        window="povey",
        fft_size=512,
        mel_scale="kaldi",
        bands=128,
        f_min=20.0,
        f_max=8000.0,
        compression="ln_floor",
        floor=float(np.finfo(np.float32).eps),
        mean=15.41663,
        scale=2 * 6.55582,
    ),
    # Koutini et al. 2022, PaSST; also EfficientAT.
    "passt_32k": FrontEndSpec(
        sample_rate=32_000,
        pre_emphasis="clip",
        pre_emphasis_coefficient=0.97,
        padding="reflect",
        window_samples=800,
        hop_samples=320,
        window="hann_symmetric",
        fft_size=1024,
        mel_scale="kaldi",
        bands=128,
        f_min=0.0,
        f_max=15_000.0,
        compression="ln_offset",
        floor=1e-5,
        mean=-4.5,
        scale=5.0,
    ),
}


def n_frames(n_samples: int, spec: FrontEndSpec) -> int:
    """Return how many frames `n_samples` of sound give; 0 if there is not one whole frame."""
    usable = n_samples - (spec.pre_emphasis == "clip")
    if spec.padding == "none":
        return max(0, 1 + (usable - spec.window_samples) // spec.hop_samples)
    return 1 + usable // spec.hop_samples if usable > 0 else 0


def least_samples(spec: FrontEndSpec) -> int:
    """Return the length of the shortest waveform that `features` takes."""
    shortest = {"none": spec.window_samples, "zeros": 1, "reflect": spec.fft_size // 2 + 1}
    return shortest[spec.padding] + (spec.pre_emphasis == "clip")


@lru_cache(maxsize=32)
def analysis_window(spec: FrontEndSpec) -> _Floats:
    """Return the window [window_samples] float32, read-only."""
    size = spec.window_samples
    if spec.window == "hann":
        values = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(size) / size)
    else:
        values = np.hanning(size) ** (0.85 if spec.window == "povey" else 1.0)
    window = values.astype(np.float32)
    window.flags.writeable = False
    return window


@lru_cache(maxsize=32)
def mel_weights(spec: FrontEndSpec) -> _Floats:
    """Return the mel matrix [fft_size // 2 + 1, bands] float32, read-only."""
    weights = mel_matrix(
        spec.mel_scale, spec.sample_rate, spec.fft_size, spec.bands, spec.f_min, spec.f_max
    )
    weights.flags.writeable = False
    return weights


class _MelGroup(NamedTuple):
    """Neighbouring bands with the few bins they use: several times less to multiply."""

    bands: slice
    low: int
    high: int
    weights: _Floats


@lru_cache(maxsize=32)
def _mel_groups(spec: FrontEndSpec) -> tuple[_MelGroup, ...]:
    weights = mel_weights(spec)
    groups = []
    for first in range(0, spec.bands, _BANDS_AT_ONCE):
        bands = slice(first, first + _BANDS_AT_ONCE)
        used = np.flatnonzero(weights[:, bands].any(axis=1))
        low, high = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
        groups.append(_MelGroup(bands, low, high, np.ascontiguousarray(weights[low:high, bands])))
    return tuple(groups)


def features(waveform: _Floats, spec: FrontEndSpec) -> _Floats:
    """Return the features of a waveform [n] as [frames, bands], or of [batch, n] as a batch.

    The waveform is float32 at `spec.sample_rate`, full scale ±1; so is the result float32. Each
    waveform gives the same values alone and in a batch.

    Raises AudioError if the waveform is shorter than `least_samples`, or of another shape.
    """
    if waveform.ndim not in (1, 2):
        raise AudioError(
            f"waveform of shape {waveform.shape}",
            remedy="give one waveform [n] or a batch [batch, n]",
        )
    least = least_samples(spec)
    if waveform.shape[-1] < least:
        raise AudioError(
            f"waveform of {waveform.shape[-1]} samples is too short for this front-end",
            remedy=f"give at least {least} samples ({least / spec.sample_rate:.3f} s)",
        )
    batch = np.asarray(waveform, np.float32).reshape(-1, waveform.shape[-1])
    result = np.empty((len(batch), n_frames(batch.shape[1], spec), spec.bands), np.float32)
    for one, out in zip(batch, result, strict=True):
        _features_into(one, spec, out)
    return result.reshape(*waveform.shape[:-1], *result.shape[1:])


def _features_into(waveform: _Floats, spec: FrontEndSpec, out: _Floats) -> None:
    frames = _frames(_prepared(waveform, spec), spec)[: len(out)]
    window = analysis_window(spec)
    groups = _mel_groups(spec)
    low, high = min(group.low for group in groups), max(group.high for group in groups)
    for start in range(0, len(out), _FRAMES_AT_ONCE):
        part: _Floats = frames[start : start + _FRAMES_AT_ONCE]
        if spec.remove_frame_mean:
            part = part - part.mean(axis=1, keepdims=True)
        if spec.pre_emphasis == "frame":
            before = np.concatenate([part[:, :1], part[:, :-1]], axis=1)
            before *= np.float32(spec.pre_emphasis_coefficient)
            part = part - before
        spectrum = np.fft.rfft(part * window, spec.fft_size)[:, low:high]
        strength = _strength(spectrum, spec)
        for group in groups:
            used = strength[:, group.low - low : group.high - low]
            out[start : start + len(part), group.bands] = used @ group.weights
    _compress(out, spec)


def _prepared(waveform: _Floats, spec: FrontEndSpec) -> _Floats:
    """Apply what concerns the whole waveform: gain, pre-emphasis, padding."""
    if spec.gain != 1.0:
        waveform = waveform * np.float32(spec.gain)
    if spec.pre_emphasis == "clip":
        waveform = waveform[1:] - np.float32(spec.pre_emphasis_coefficient) * waveform[:-1]
    if spec.padding == "none":
        return waveform
    half = spec.fft_size // 2
    padded = np.zeros(waveform.size + 2 * half, np.float32)
    padded[half:-half] = waveform
    if spec.padding == "reflect":
        padded[:half] = waveform[half:0:-1]
        padded[-half:] = waveform[-2 : -half - 2 : -1]
    return padded


def _frames(prepared: _Floats, spec: FrontEndSpec) -> _Floats:
    """Return a view [frames, window_samples]; at least as many frames as there shall be."""
    if spec.padding != "none":  # the window sits in the middle of the fft_size samples
        prepared = prepared[(spec.fft_size - spec.window_samples) // 2 :]
    return sliding_window_view(prepared, spec.window_samples)[:: spec.hop_samples]


def _strength(spectrum: NDArray[np.complexfloating], spec: FrontEndSpec) -> _Floats:
    # NumPy before 2.0 transforms in double precision: the result is rounded here.
    power = spectrum.real**2
    power += spectrum.imag**2
    if spec.spectrum == "magnitude":
        np.sqrt(power, out=power)
    return power.astype(np.float32, copy=False)


def _compress(mel: _Floats, spec: FrontEndSpec) -> None:
    """Take the logarithm and normalise, in place."""
    if spec.compression == "ln_offset":
        mel += np.float32(spec.floor)
    else:
        np.maximum(mel, np.float32(spec.floor), out=mel)
    if spec.compression == "db":
        np.log10(mel, out=mel)
        mel *= np.float32(10.0)
    else:
        np.log(mel, out=mel)
    if spec.mean != 0.0:
        mel -= np.float32(spec.mean)
    if spec.scale != 1.0:
        mel /= np.float32(spec.scale)
