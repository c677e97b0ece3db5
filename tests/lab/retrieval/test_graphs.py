from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import onnxruntime
import pytest

pytest.importorskip("torch")

import torch
from torch.nn import functional as F

from soundseek.lab.audio_encoders import build_audio_encoder, encoder_class
from soundseek.lab.onnx_export import audio_onnx
from soundseek.lab.retrieval.graphs import AudioNetwork, TextNetwork
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.towers import AudioTower, TextTower, projection
from soundseek.lab.retrieval.waveforms import front_end
from soundseek.lab.text_encoders.word_vectors import WordVectors
from support.lively_weights import enlivened

pytestmark = pytest.mark.lab

WORDS = ("rain", "roof", "wind")


def model_of(encoder: str, options: Mapping[str, Any] | None = None) -> RetrievalModel:
    """A tiny model with that audio encoder, under whose weights every layer matters."""
    torch.manual_seed(1)
    audio = build_audio_encoder(encoder, {**encoder_class(encoder).TINY, **(options or {})})
    text = WordVectors(WORDS, torch.randn(3, 6), max_tokens=4)
    model = RetrievalModel(
        AudioTower(audio, projected=projection(audio.width, (), 8, 0.0), window_samples=None),
        TextTower(text, projected=projection(6, (), 8, 0.0)),
    )
    return enlivened(model)


@torch.no_grad()
def test_what_lies_behind_the_valid_frames_does_not_count() -> None:
    network = AudioNetwork(model_of("panns_cnn10", {"frontend": "panns_16k"}))
    features = torch.randn(2, 64, 64)
    lengths = torch.tensor([40, 64])
    changed = features.clone()
    changed[0, 40:] += 7.0
    vectors = network(features, lengths)
    torch.testing.assert_close(network(changed, lengths), vectors, rtol=0, atol=1e-6)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))


@torch.no_grad()
def test_a_window_too_short_for_the_encoder_counts_as_long_as_it_takes() -> None:
    model = model_of("panns_cnn10", {"frontend": "panns_16k"})
    network, least = AudioNetwork(model), model.audio.audio_encoder.least_frames
    features = torch.randn(1, 64, 64)
    short, as_long = (network(features, torch.tensor([n])) for n in (1, least))
    torch.testing.assert_close(short, as_long)


@torch.no_grad()
def test_unknown_words_are_left_out_and_a_text_of_them_alone_is_no_text() -> None:
    model = model_of("panns_cnn10", {"frontend": "panns_16k"})
    network = TextNetwork(model, unknown_id=0)
    with_unknown = network(torch.tensor([[0, 1, 0, 3]]), torch.ones(1, 4, dtype=torch.int64))
    torch.testing.assert_close(with_unknown, model.embed_text(["rain wind"]))
    nothing = network(torch.zeros(1, 2, dtype=torch.int64), torch.ones(1, 2, dtype=torch.int64))
    torch.testing.assert_close(nothing, model.embed_text(["quark"]))


# Window in seconds: as short as the encoder allows, so that the graphs are small.
ENCODERS = {
    "mobile": (1.935, {}),
    "yamnet": (1.4, {}),
    "panns_cnn10": (1.0, {}),
    "panns_cnn14": (1.0, {}),
    "panns_cnn14_decision_level_max": (1.0, {}),
    "panns_resnet38": (1.0, {}),
    "surrey_cnn14": (1.5, {}),
    "cau_cnn10_gru": (1.5, {}),
    "dcase2022_crnn": (1.0, {}),
    "dcase2022_crnn with an LSTM": (1.0, {"recurrent": "lstm"}),
    "vggish": (2.5, {}),
    "beats": (1.0, {}),
    "beats with whole patches": (1.0, {"padding": "whole_patches"}),
    "passt_s": (1.0, {}),
    "clap": (2.0, {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_on_a_plain_front_end_becomes_a_graph(name: str) -> None:
    seconds, options = ENCODERS[name]
    model = model_of(name.split()[0], cast("dict[str, Any]", options))
    encoder = model.audio.audio_encoder
    spec = front_end(encoder)
    assert spec is not None
    frames = encoder.frames(round(seconds * encoder.sample_rate))
    graph = audio_onnx(AudioNetwork(model), frames=frames, bands=spec.bands)
    assert b".py" not in graph

    # By the tower itself, as evaluation runs it.
    features = torch.randn(4, frames, spec.bands) - 4.0
    lengths = torch.tensor([frames, encoder.least_frames, frames - 1, (frames + 1) // 2])
    lengths = lengths.clamp(min=encoder.least_frames)
    with torch.no_grad():
        embedding = model.audio.embed(model.audio.encode(features, lengths, 1))
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    inputs = {"features": features.numpy(), "lengths": lengths.numpy()}
    (found,) = session.run(["embedding"], inputs)
    np.testing.assert_allclose(found, F.normalize(embedding, dim=-1), rtol=0, atol=2e-4)
