"""Fixtures of the library's tests: a folder of short sounds, and a library to put them in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from soundseek.library import Library, reading
from support.tiny_bundle import SAMPLE_RATE, clicks, noise, sine

WriteSound = Callable[..., Path]


@pytest.fixture
def write_sound() -> WriteSound:
    """Writes a mono sound file: `write_sound(path, samples, rate=16000)`; makes its folders."""

    def write(path: Path, samples: npt.NDArray[np.float32], rate: int = SAMPLE_RATE) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
        return path

    return write


@pytest.fixture
def sounds(tmp_path: Path, write_sound: WriteSound) -> Path:
    """A folder: low.wav, tones/high.wav (two windows), tones/Middle_Tone02.WAV, clicks.wav, …"""
    folder = tmp_path / "sounds"
    write_sound(folder / "low.wav", sine(180, 2.0))
    write_sound(folder / "clicks.wav", clicks(1.0))
    write_sound(folder / "noise.wav", noise(1.5))
    write_sound(folder / "tones" / "high.wav", sine(4000, 5.0))
    write_sound(folder / "tones" / "Middle_Tone02.WAV", sine(800, 0.5))
    (folder / "readme.txt").write_text("no sound")
    return folder


@pytest.fixture
def library(tmp_path: Path, tiny_bundle: Path) -> Iterator[Library]:
    """An empty library."""
    with Library.open(tmp_path / "library", bundle=tiny_bundle, create=True) as opened:
        yield opened


@pytest.fixture
def never_embed(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it to make any further decoding a failure of the test."""

    def refuse(path: object, rate: int) -> None:
        raise AssertionError(f"{path} was decoded again")

    return lambda: monkeypatch.setattr(reading, "stream", refuse)
