"""Decode + down-mix + resample + log-mel of a 20 s stereo 44.1 kHz file, one thread: soundseek
beside librosa, alternating in one run. CPU milliseconds, medians of 25.

    python bench/frontend.py
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import soundfile

from soundseek.audio.decode import read
from soundseek.audio.frontends import PRESETS, FrontEndSpec, features

REPEATS = 25


def with_librosa(path: Path, spec: FrontEndSpec) -> np.ndarray:
    waveform, _ = librosa.load(path, sr=spec.sample_rate)
    mel = librosa.feature.melspectrogram(
        y=waveform,
        sr=spec.sample_rate,
        n_fft=spec.fft_size,
        win_length=spec.window_samples,
        hop_length=spec.hop_samples,
        n_mels=spec.bands,
        fmin=spec.f_min,
        fmax=spec.f_max,
        power=2.0 if spec.spectrum == "power" else 1.0,
        htk=spec.mel_scale != "slaney",
        norm="slaney" if spec.mel_scale == "slaney" else None,
    )
    if spec.compression == "db":
        return librosa.power_to_db(mel, top_db=None).T
    return np.log(mel + spec.floor).T


def with_soundseek(path: Path, spec: FrontEndSpec) -> np.ndarray:
    waveform, _ = read(path, spec.sample_rate)
    return features(waveform, spec)


def cpu_ms(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return 1e3 * (time.process_time() - started)


def main() -> None:
    noise = np.random.default_rng(0).standard_normal((20 * 44_100, 2)).astype(np.float32) * 0.1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise.wav"
        soundfile.write(path, noise, 44_100, subtype="PCM_16")
        print("| front-end | soundseek, ms | librosa, ms | ratio |\n| --- | --- | --- | --- |")
        for name in ("yamnet_16k", "panns_32k"):
            spec = PRESETS[name]
            with_soundseek(path, spec), with_librosa(path, spec)
            ours, theirs = [], []
            for _ in range(REPEATS):
                ours.append(cpu_ms(lambda spec=spec: with_soundseek(path, spec)))
                theirs.append(cpu_ms(lambda spec=spec: with_librosa(path, spec)))
            a, b = float(np.median(ours)), float(np.median(theirs))
            print(f"| {name} | {a:.1f} | {b:.1f} | {b / a:.1f}× |")


if __name__ == "__main__":
    main()
