from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from soundseek.errors import DataError
from soundseek.lab.audio_encoders import AUDIO_ENCODERS, build_audio_encoder, encoder_class
from soundseek.lab.retrieval.embedding import at_least, embed_clips, embed_texts
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.towers import AudioTower, TextTower
from soundseek.lab.text_encoders import create_text_encoder
from support.retrieval import noise

pytestmark = pytest.mark.lab

# Lengths in seconds: close to each other, next to windows' ends, shorter than any encoder takes.
LENGTHS = (1.3, 1.304, 1.31, 1.32, 1.95, 2.28, 2.86, 2.857, 2.849, 1.99, 1.26, 0.5, 0.01)
SHORTEST_WINDOW = {"vggish_crnn": 4.0}


def sound(seconds: float, rate: int, number: int) -> np.ndarray:
    """Noise that swells, and a tone; each number is another sound."""
    hiss = noise(seconds, rate, seed=number) * 0.1 ** (number % 4)
    swell = np.linspace(0.1, 1.0, len(hiss), dtype=np.float32)
    seconds_in = np.arange(len(hiss), dtype=np.float32) / rate
    tone = 0.4 * np.sin(2 * np.pi * 150.0 * 1.6**number * seconds_in).astype(np.float32)
    made: np.ndarray = hiss * swell + tone
    return made


def model_of(name: str, window_s: float | None, **options: Any) -> RetrievalModel:
    """Whose random weights make something of differences: batch normalisation fits the sounds,
    and layers without any are not so faint as fresh ones."""
    torch.manual_seed(1)
    encoder: Any = build_audio_encoder(name, {**encoder_class(name).TINY, **options})
    window = None if window_s is None else round(window_s * encoder.sample_rate)
    tower = AudioTower(encoder, projected=nn.Linear(encoder.width, 8), window_samples=window)
    rate = encoder.sample_rate
    fitted = [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.no_grad():
        if not fitted:
            for parameter in encoder.parameters():
                parameter *= 2.0 if parameter.ndim > 1 else 1.0
        for module in fitted:
            module.momentum = None
            nn.init.uniform_(module.bias, -0.5, 0.5)
        tower.train()
        waveforms = torch.from_numpy(np.stack([sound(4.0, rate, i) for i in range(4)]))
        tower.encode(*tower.features(waveforms, torch.full((4,), 4 * rate)))
    silent: Any = nn.Linear(1, 1)
    return RetrievalModel(tower, silent, normalise=False)


@pytest.mark.parametrize("windowed", [False, True])
@pytest.mark.parametrize("name", sorted(set(AUDIO_ENCODERS) - {"mobile", "passt_l"}))
def test_a_clips_vector_does_not_depend_on_its_batch(
    make_store: Callable[..., Any], name: str, windowed: bool
) -> None:
    options = {"padding": "whole_patches"} if name == "beats" else {}
    model = model_of(name, SHORTEST_WINDOW.get(name, 1.0) if windowed else None, **options)
    rate = model.audio.audio_encoder.sample_rate
    slower = 3.0 if name == "vggish_crnn" else 1.0
    sounds = [sound(s * slower, rate, i) for i, s in enumerate(LENGTHS)]
    together = embed_clips(model, make_store(sounds, rate), max_s=30.0, batch=5)
    backwards = embed_clips(model, make_store(sounds[::-1], rate), max_s=30.0, batch=16)[::-1]
    alone = np.concatenate([embed_clips(model, make_store([s], rate), max_s=30.0) for s in sounds])
    assert np.isfinite(alone).all()
    # Compared with how different the clips are.
    spread = float((alone.max(0) - alone.min(0)).max())
    np.testing.assert_allclose(together / spread, alone / spread, rtol=0, atol=5e-4)
    np.testing.assert_allclose(backwards / spread, alone / spread, rtol=0, atol=5e-4)


def test_an_encoder_of_whole_patches_says_what_it_needs(make_store: Callable[..., Any]) -> None:
    encoder = build_audio_encoder("mobile", encoder_class("mobile").TINY)
    tower = AudioTower(encoder, projected=nn.Identity(), window_samples=None)
    silent: Any = nn.Linear(1, 1)
    model = RetrievalModel(tower, silent)
    with pytest.raises(DataError, match=r"no whole number of patches\n.*multiple of 96"):
        embed_clips(model, make_store([noise(1.3, 16000)]), max_s=30.0)


def test_the_same_clip_gives_the_same_vector_every_time(make_store: Callable[..., Any]) -> None:
    """Longer clips are cut at the start, not at random."""
    model = model_of("panns_cnn10", None, frontend="panns_16k").train()
    sound = noise(4.0, 16000)
    first = embed_clips(model, make_store([sound]), max_s=1.5)
    assert np.array_equal(first, embed_clips(model, make_store([sound]), max_s=1.5))
    start = embed_clips(model, make_store([sound[:24000]]), max_s=30.0)
    np.testing.assert_allclose(first, start, rtol=0, atol=1e-6)


def test_what_is_too_short_is_followed_by_silence(make_store: Callable[..., Any]) -> None:
    model = model_of("panns_cnn14_16k", None)
    least = model.audio.least_samples
    short = noise(1.0, 500)
    filled = np.concatenate([short, np.zeros(least - 500, np.float32)])
    one, other = (embed_clips(model, make_store([s]), max_s=30.0) for s in (short, filled))
    assert np.array_equal(one, other)
    assert at_least(short, 500) is short
    assert len(at_least(short, 501)) == 501


def test_no_clips_and_no_texts(make_store: Callable[..., Any]) -> None:
    model = model_of("panns_cnn10", None, frontend="panns_16k")
    assert embed_texts(model, []).shape == (0, 0)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_texts_vector_does_not_depend_on_its_batch(frozen: bool) -> None:
    texts = ["rain", "a dog barks at the postman in the rain", "wind and waves", "a dog barks"] * 3
    torch.manual_seed(0)
    encoder = create_text_encoder(
        "small_transformer",
        model=None,
        weights="random",
        texts=texts,
        max_tokens=12,
        options={"width": 16, "layers": 1, "heads": 2, "vocabulary": 100},
    )
    silent: Any = nn.Linear(1, 1)
    model = RetrievalModel(silent, TextTower(encoder, projected=nn.Linear(16, 8), frozen=frozen))
    together = embed_texts(model, texts, batch=5)
    alone = np.concatenate([embed_texts(model, [text]) for text in texts])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)
    assert not np.allclose(together[0], together[1])
