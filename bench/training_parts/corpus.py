"""Clips for the benchmarks: synthetic scenes in the formats of corpora, or some of a real one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from soundseek.lab.data.manifest import Clip, read_clips_jsonl, select
from soundseek.lab.data.waveforms import WaveformStore
from soundseek.synth import SCENES, render_scene

FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
}
RATE = 44_100
# Of Clotho: 15 to 30 s.
SHORTEST_S, LONGEST_S = 15.0, 30.0
_WORDS = 11
_LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))


def real_clips(folder: Path, n: int) -> list[Clip]:
    """`n` training clips of a folder with clips.jsonl, always the same ones."""
    found = select(read_clips_jsonl(folder / "clips.jsonl"), split="train")
    order = np.random.default_rng(0).permutation(len(found))[:n]
    return [found[i] for i in order]


def synthetic_clips(folder: Path, extension: str, n: int) -> list[Clip]:
    """`n` different stereo files at 44.1 kHz, as long as those of Clotho."""
    container, subtype = FORMATS[extension]
    scenes = [render_scene(name, seed=1, sample_rate=RATE) for name in list(SCENES)[:3]]
    folder.mkdir(parents=True, exist_ok=True)
    clips = []
    for i, length in enumerate(lengths_s(n)):
        rng = np.random.default_rng(i)
        scene, samples = scenes[i % len(scenes)], int(length * RATE)
        mono = np.resize(np.roll(scene, -int(rng.integers(len(scene)))), samples)
        stereo = np.stack([mono, 0.8 * np.roll(mono, 7 + i)], axis=1)
        path = folder / f"{i:04}.{extension}"
        soundfile.write(path, stereo, RATE, format=container, subtype=subtype)
        clips.append(replace(listed(i, samples / RATE), path=str(path)))
    return clips


def lengths_s(n: int) -> list[float]:
    """Lengths of `n` clips, evenly between the shortest and the longest, in an order of chance."""
    lengths = np.linspace(SHORTEST_S, LONGEST_S, n)
    shuffled: list[float] = np.random.default_rng(0).permutation(lengths).round(3).tolist()
    return shuffled


def listed(number: int, duration_s: float) -> Clip:
    """A clip without a sound, with a caption of its own."""
    return Clip(
        id=f"clip-{number:04}",
        path=f"{number:04}.wav",
        duration_s=duration_s,
        captions=(caption(number),),
        source="bench",
        split="train",
        licence="CC0",
        group=f"clip-{number:04}",
    )


def caption(number: int) -> str:
    """As long as those of Clotho, of words that nobody knows."""
    return " ".join(words(_WORDS, seed=number))


def words(n: int, seed: int) -> list[str]:
    """`n` made-up words of 3 to 9 letters."""
    rng = np.random.default_rng((seed, n))
    return ["".join(rng.choice(_LETTERS, rng.integers(3, 10))) for _ in range(n)]


def noise_store(durations_s: Sequence[float], sample_rate: int) -> WaveformStore:
    """Clips of noise in memory."""
    ends = np.cumsum([0, *(round(one * sample_rate) for one in durations_s)])
    rng = np.random.default_rng(0)
    samples: NDArray[np.int16] = rng.integers(-3000, 3000, int(ends[-1]), np.int16)
    return WaveformStore(samples, ends, sample_rate, {})
