from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import onnx
import onnxruntime
import torch

from soundseek.errors import BundleError
from soundseek.lab.distilled.build import build_tower
from soundseek.lab.distilled.export import audio_graph, text_graph
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.distilled.tower import AudioTower
from soundseek.lab.onnx_export import (
    audio_onnx,
    check_graph,
    exported,
    text_onnx,
    with_half_weights,
)
from soundseek.lab.words.trained import load_words

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
]


@pytest.fixture
def tower(recipe_document: dict[str, Any]) -> AudioTower:
    anchors = torch.randn(7, 10, generator=torch.Generator().manual_seed(1))
    return build_tower(Recipe.model_validate(recipe_document), anchors).eval()


def session(graph: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


@torch.no_grad()
def test_the_sound_graph_takes_any_batch(tower: AudioTower) -> None:
    graph = audio_graph(tower, 192)
    assert b"stack_trace" not in graph
    assert b".py" not in graph, "paths of the machine that exported it"
    for n in (1, 5):
        log_mels = torch.randn(n, 192, 64) - 4
        lengths = torch.randint(1, 193, (n,))
        inputs = {"features": log_mels.numpy(), "lengths": lengths.numpy()}
        (found,) = session(graph).run(["embedding"], inputs)
        expected = tower(log_mels, lengths).embedding.numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4)
    with pytest.raises(BundleError, match="differs from the network"):
        check_graph(graph, inputs, -expected)
    with pytest.raises(BundleError, match="differs from the network by nan"):
        check_graph(graph, inputs, expected * np.nan)


@torch.no_grad()
def test_the_text_graph_takes_any_batch_and_length(words_run: Path) -> None:
    words = load_words(words_run)
    graph = text_graph(words)
    assert b".py" not in graph
    for n, tokens in ((1, 2), (4, 16)):
        ids = torch.randint(1, 20, (n, tokens))
        mask = torch.arange(tokens)[None] < torch.randint(1, tokens + 1, (n, 1))
        inputs = {"input_ids": ids.numpy(), "attention_mask": mask.long().numpy()}
        (found,) = session(graph).run(["embedding"], inputs)
        expected = words.network(ids, mask).numpy()
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


class Several(torch.nn.Module):
    """Two outputs, of floats and of whole numbers."""

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mask = torch.arange(x.shape[1]) < lengths[:, None]
        return x * mask[..., None] + 1.0, mask.long()


class Wide(torch.nn.Module):
    """A weight that is large, one that float16 cannot hold, and a small one."""

    def __init__(self) -> None:
        super().__init__()
        self.large = torch.nn.Linear(64, 80)
        self.beyond = torch.nn.Linear(80, 80)
        self.small = torch.nn.Linear(80, 3)
        with torch.no_grad():
            self.beyond.weight.mul_(1e-3)[0, 0] = 70_000.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.small(self.beyond(self.large(x)) * 1e-4)
        return result


def test_a_graph_has_outputs_by_name() -> None:
    batch, steps = torch.export.Dim("batch", min=1, max=64), torch.export.Dim("steps", max=64)

    def inputs(*lengths: int) -> dict[str, torch.Tensor]:
        return {"x": torch.randn(len(lengths), max(lengths), 2), "lengths": torch.tensor(lengths)}

    graph = exported(
        Several(),
        inputs(3, 2),
        {"x": {0: batch, 1: steps}, "lengths": {0: batch}},
        [inputs(1), inputs(4, 1, 5)],
        outputs=("memory", "memory_mask"),
    )
    opened = session(graph)
    assert [one.name for one in opened.get_outputs()] == ["memory", "memory_mask"]
    given = inputs(2, 4)
    arrays = {name: value.numpy() for name, value in given.items()}
    values, mask = opened.run(["memory", "memory_mask"], arrays)
    assert mask.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert (values[0, 2:] == 1.0).all()
    right, wrong = (values, mask), (values, 1 - mask)
    check_graph(graph, arrays, *right)
    with pytest.raises(BundleError, match="differs from the network by 1"):
        check_graph(graph, arrays, *wrong)
    check_graph(graph, arrays, *wrong, tolerance=1.0)
    with pytest.raises(BundleError, match=r"shape \(2, 4, 2\), the network \(1, 4, 2\)"):
        check_graph(graph, arrays, values[:1], mask)


@torch.no_grad()
def test_weights_are_kept_as_halves_where_that_is_possible() -> None:
    network = Wide().eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    x = torch.randn(4, 64)
    whole = exported(network, {"x": x}, {"x": {0: batch}}, [{"x": x[:1]}], tolerance=1e-2)
    half = with_half_weights(whole)
    kinds = {
        tuple(one.dims): one.data_type
        for one in onnx.load_from_string(half).graph.initializer
        if len(one.dims) == 2
    }
    # The exporter stores weights the other way round.
    by_size = {
        size: kinds.get(size, kinds.get(size[::-1])) for size in ((64, 80), (80, 80), (3, 80))
    }
    float16, float32 = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    assert by_size == {(64, 80): float16, (80, 80): float32, (3, 80): float32}
    saved = len(whole) - len(half)
    assert 0.9 * 64 * 80 * 2 < saved <= 64 * 80 * 2
    (exact,), (rough,) = (session(graph).run(None, {"x": x.numpy()}) for graph in (whole, half))
    difference = np.abs(rough - exact).max()
    assert 0 < difference < 0.01 * np.abs(exact).max()


def test_tables_of_rows_stay_halved_when_the_graph_is_opened() -> None:
    class Words(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(500, 16)
            self.layer = torch.nn.Linear(16, 300)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.layer(self.table(ids).mean(dim=1))

    network = Words().eval()
    ids = torch.arange(12).reshape(3, 4)
    batch = torch.export.Dim("batch", min=1, max=64)
    whole = exported(network, {"ids": ids}, {"ids": {0: batch}}, [{"ids": ids[:1]}])
    half = with_half_weights(whole)

    graph = onnx.load_from_string(half).graph
    onnx.checker.check_model(half)
    (table,) = [one for one in graph.initializer if list(one.dims) == [500, 16]]
    assert table.data_type == onnx.TensorProto.FLOAT16
    (lookup,) = [node for node in graph.node if table.name in node.input]
    assert lookup.op_type == "Gather", "the whole table would be turned into float32"
    rounded = {name: value.half().float() for name, value in network.state_dict().items()}
    rounded["layer.bias"] = network.layer.bias  # too small to be worth it
    network.load_state_dict(rounded)
    with torch.no_grad():
        check_graph(half, {"ids": ids.numpy()}, network(ids).numpy(), tolerance=1e-6)
