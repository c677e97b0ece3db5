from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import onnxruntime
import torch

from soundseek.errors import BundleError
from soundseek.lab.distilled.biencoder import BiEncoder
from soundseek.lab.distilled.build import build_biencoder
from soundseek.lab.distilled.export import audio_graph, text_graph
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.onnx_export import audio_onnx, check_graph, text_onnx
from soundseek.lab.text_encoders.tokenizer import train_tokenizer

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
]


@pytest.fixture
def model(recipe_document: dict[str, Any]) -> BiEncoder:
    anchors = torch.randn(7, 10, generator=torch.Generator().manual_seed(1))
    recipe = Recipe.model_validate(recipe_document)
    tokenizer = train_tokenizer(["rain on a roof", "wind in a tree"] * 2, 64)
    return build_biencoder(recipe, anchors, tokenizer).eval()


def session(graph: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


@torch.no_grad()
def test_the_sound_graph_takes_any_batch(model: BiEncoder) -> None:
    graph = audio_graph(model, 192)
    assert b"stack_trace" not in graph
    assert b".py" not in graph, "paths of the machine that exported it"
    for n in (1, 5):
        log_mels = torch.randn(n, 192, 64) - 4
        lengths = torch.randint(1, 193, (n,))
        inputs = {"features": log_mels.numpy(), "lengths": lengths.numpy()}
        (found,) = session(graph).run(["embedding"], inputs)
        expected = model.encode_audio(log_mels, lengths).embedding.numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4)
    with pytest.raises(BundleError, match="differs from the network"):
        check_graph(graph, inputs, -expected)
    with pytest.raises(BundleError, match="differs from the network by nan"):
        check_graph(graph, inputs, expected * np.nan)


@torch.no_grad()
def test_the_text_graph_takes_any_batch_and_length(model: BiEncoder) -> None:
    graph = text_graph(model, 16)
    assert b".py" not in graph
    for n, tokens in ((1, 2), (4, 16)):
        ids = torch.randint(1, 20, (n, tokens))
        mask = torch.arange(tokens)[None] < torch.randint(1, tokens + 1, (n, 1))
        inputs = {"input_ids": ids.numpy(), "attention_mask": mask.long().numpy()}
        (found,) = session(graph).run(["embedding"], inputs)
        expected = model.encode_text(ids, mask).numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4)


class Peculiar(torch.nn.Module):
    """Unit vectors, but for one thing that no graph can do."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        vectors = torch.nn.functional.normalize(features.mean(1) + lengths[:, None], dim=-1)
        if self.what == "looks at a value" and lengths[0] > 5:
            return -vectors
        if self.what == "counts the windows":
            return vectors * len(vectors) / len(features)
        return vectors


def test_a_network_that_is_no_graph_is_refused() -> None:
    assert audio_onnx(Peculiar("nothing"), frames=12, bands=4)
    with pytest.raises(BundleError, match=r"into an ONNX graph: .*data-dependent"):
        audio_onnx(Peculiar("looks at a value"), frames=12, bands=4)
    with pytest.raises(BundleError, match="does not run for"):
        audio_onnx(Peculiar("counts the windows"), frames=12, bands=4)


def test_texts_of_two_tokens_are_too_short() -> None:
    with pytest.raises(BundleError, match="2 tokens is too short"):
        text_onnx(torch.nn.Identity(), vocabulary=9, max_tokens=2)
