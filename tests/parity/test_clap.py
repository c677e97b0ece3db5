"""Both towers of CLAP and its front-end against transformers' own, with tiny random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import torch

from soundseek.lab.audio_encoders import load
from soundseek.lab.audio_encoders.clap import ClapAudio, repeat_padded
from soundseek.lab.audio_encoders.clap_files import CLAP_48K
from soundseek.lab.frontends import FrontEnd
from soundseek.lab.text_encoders import create_text_encoder
from support.tiny_models import TEXTS, clap, saved

pytestmark = pytest.mark.lab

RATE = 48_000


@pytest.fixture(scope="module")
def extractor() -> Any:
    """As laion/clap-htsat-unfused's preprocessor_config.json has it."""
    return transformers.ClapFeatureExtractor(
        feature_size=64,
        sampling_rate=RATE,
        hop_length=480,
        max_length_s=10,
        fft_window_size=1024,
        frequency_min=50,
        frequency_max=14_000,
        truncation="rand_trunc",
        padding="repeatpad",
    )


def sounds(seconds: float) -> list[np.ndarray]:
    """Noise, a chord, and a click in silence."""
    generator = np.random.default_rng(7)
    n = round(seconds * RATE)
    time = np.arange(n) / RATE
    click = np.zeros(n)
    click[n // 3] = 0.9
    chord = sum(0.2 * np.sin(2 * np.pi * f * time) for f in (110.0, 440.0, 6_000.0))
    return [generator.standard_normal(n) * 0.1, np.asarray(chord), click]


@pytest.mark.parametrize("seconds", [0.3, 2.0, 3.7, 9.99, 10.0])
def test_the_front_end_is_the_feature_extractors(extractor: Any, seconds: float) -> None:
    waveforms = sounds(seconds)
    expected = extractor(waveforms, sampling_rate=RATE, return_tensors="np").input_features[:, 0]
    ours = FrontEnd(CLAP_48K).double()
    # Theirs is a window of double precision: the far slopes of a pure tone tell the difference.
    ours.window = torch.hann_window(1024, dtype=torch.float64)
    filled = repeat_padded(torch.tensor(np.stack(waveforms)), 10 * RATE)
    difference = np.abs(ours(filled).numpy() - expected)
    assert expected.shape == (3, 1001, 64)
    assert difference.max() < 1e-4


def test_the_front_end_in_single_precision(extractor: Any) -> None:
    waveforms = np.stack(sounds(10.0))
    expected = extractor(list(waveforms), sampling_rate=RATE, return_tensors="np")
    bands = expected.input_features[:, 0]
    ours = FrontEnd(CLAP_48K)(torch.tensor(waveforms, dtype=torch.float32)).numpy()
    loud = bands > bands.max(-1, keepdims=True) - 60  # less is left of 24 bits below
    assert np.abs(ours - bands)[loud].max() < 1e-4
    assert np.abs(ours - bands).max() < 0.1


@torch.no_grad()
def test_both_towers_are_those_of_transformers(extractor: Any, tmp_path: Path) -> None:
    network: Any = clap()
    folder = saved(network, tmp_path, "roberta")
    extractor.save_pretrained(folder)
    audio = load("clap", checkpoint=folder)
    assert isinstance(audio, ClapAudio)
    assert audio.frontend.spec == CLAP_48K
    text = create_text_encoder(
        "clap",
        model=str(folder),
        weights="pretrained",
        texts=(),
        max_tokens=16,
        options={"pooled": "projected"},
    )
    text.eval()  # type: ignore[attr-defined]
    waveforms = np.stack(sounds(4.0)).astype(np.float32)
    heard = extractor(list(waveforms), sampling_rate=RATE, return_tensors="pt")
    ids, mask = text.tokenise(TEXTS)
    expected = network(
        input_ids=ids,
        attention_mask=mask.long(),
        input_features=heard.input_features.float(),
    )
    encoding = audio(audio.features(repeat_padded(torch.tensor(waveforms), 10 * RATE)))
    inside = expected.audio_model_output
    torch.testing.assert_close(encoding.pooled, inside.pooler_output, rtol=0, atol=1e-4)
    torch.testing.assert_close(encoding.feature_map, inside.last_hidden_state, rtol=0, atol=1e-3)
    torch.testing.assert_close(encoding.embedding, expected.audio_embeds, rtol=0, atol=1e-5)
    torch.testing.assert_close(text(ids, mask).pooled, expected.text_embeds, rtol=0, atol=1e-5)
