"""The picture of a sound: where tones and silence are, and what it costs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from soundseek.serve import spectrogram
from soundseek.serve.spectrogram import palette, spectrogram_png
from support.tiny_bundle import noise, sine

RATE = 16_000


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The palette indices of every picture."""
    pictures: list[np.ndarray] = []
    original = spectrogram.png

    def keep(indices: np.ndarray, colours: np.ndarray) -> bytes:
        pictures.append(indices)
        return original(indices, colours)

    monkeypatch.setattr(spectrogram, "png", keep)
    return pictures


def test_a_tone_is_a_line_where_it_sounds(drawn: list[np.ndarray]) -> None:
    sound = np.concatenate([np.zeros(RATE, np.float32), sine(1000, 1.0, RATE)])
    spectrogram_png([sound], sound.size, RATE, width=100, height=64)
    (picture,) = drawn
    assert picture.shape == (64, 100)
    assert picture[:, :45].max() < 5
    rows = picture[:, 55:95].argmax(axis=0)
    assert np.ptp(rows) <= 1
    higher = sine(4000, 2.0, RATE)
    spectrogram_png([higher], higher.size, RATE, width=100, height=64)
    assert drawn[1][:, 50].argmax() < rows[0]  # high is up


def test_blocks_do_not_matter(drawn: list[np.ndarray]) -> None:
    sound = noise(2.0, RATE)
    for blocks in ([sound], np.array_split(sound, 37)):
        spectrogram_png(blocks, sound.size, RATE, width=200, height=32)
    np.testing.assert_array_equal(drawn[0], drawn[1])


@pytest.mark.parametrize("n_samples", [0, 1, 50, 3000])
@pytest.mark.parametrize("rate", [100, 8000, 192_000])
def test_any_length_and_rate(n_samples: int, rate: int, drawn: list[np.ndarray]) -> None:
    sound = np.full(n_samples, 0.1, np.float32)
    spectrogram_png([sound], n_samples, rate, width=50, height=16)
    assert drawn[0].shape == (16, 50)


def test_silence_is_empty(drawn: list[np.ndarray]) -> None:
    spectrogram_png([np.zeros(RATE, np.float32)], RATE, RATE, width=50, height=16)
    assert not drawn[0].any()


def test_quiet_is_transparent() -> None:
    colours = palette()
    assert colours[0, 3] == 0
    assert colours[-1, 3] == 255
    assert (np.diff(colours[:, 3].astype(int)) >= 0).all()


def test_two_hours_take_the_memory_of_seconds() -> None:
    block = noise(5.0, RATE)
    peak = {}
    for minutes in (1, 120):
        n_blocks = minutes * 12

        def blocks(times: int = n_blocks) -> Iterator[np.ndarray]:
            for _ in range(times):
                yield block

        tracemalloc.start()
        spectrogram_png(blocks(), n_blocks * block.size, RATE, width=300, height=32)
        peak[minutes] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak[120] < peak[1] * 1.3
