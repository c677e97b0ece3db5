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
from soundseek.lab.onnx_export import check_graph
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
