"""The two networks of a bundle as ONNX graphs, checked against torch before they leave the lab."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from soundseek.errors import BundleError
from soundseek.lab.distilled.biencoder import BiEncoder

OPSET = 18
_TOLERANCE = 2e-4  # largest difference of a coordinate of a unit vector, graph against torch


class _AudioNetwork(nn.Module):
    def __init__(self, model: BiEncoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        return self.model.encode_audio(features, lengths).embedding


class _TextNetwork(nn.Module):
    def __init__(self, model: BiEncoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.model.encode_text(input_ids, attention_mask.bool())


def audio_graph(model: BiEncoder, frames: int) -> bytes:
    """`audio.onnx` for windows of `frames` frames: features, lengths → embedding."""
    bands = model.audio_encoder.frontend.spec.bands
    features = torch.randn(3, frames, bands) - 4.0
    lengths = torch.tensor([frames, frames // 2, 1])
    batch = torch.export.Dim("batch", min=1, max=4096)
    return _exported(
        _AudioNetwork(model).eval(),
        {"features": features, "lengths": lengths},
        {"features": {0: batch}, "lengths": {0: batch}},
    )


def text_graph(model: BiEncoder, max_tokens: int) -> bytes:
    """`text.onnx` for up to `max_tokens` tokens: input_ids, attention_mask → embedding."""
    vocabulary = model.text_encoder.tokens.num_embeddings
    ids = torch.randint(1, vocabulary, (3, 7))
    mask = (torch.arange(7)[None, :] < torch.tensor([7, 4, 2])[:, None]).long()
    batch = torch.export.Dim("batch", min=1, max=4096)
    tokens = torch.export.Dim("tokens", min=2, max=max_tokens)
    return _exported(
        _TextNetwork(model).eval(),
        {"input_ids": ids, "attention_mask": mask},
        {"input_ids": {0: batch, 1: tokens}, "attention_mask": {0: batch, 1: tokens}},
    )


def _exported(network: nn.Module, inputs: dict[str, Tensor], dynamic: dict[str, Any]) -> bytes:
    with _exporter_silenced():
        program = torch.onnx.export(
            network,
            kwargs=inputs,
            dynamic_shapes=dynamic,
            input_names=list(inputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise BundleError("the network could not be turned into an ONNX graph")
    _name_output(program.model.graph, "embedding")
    _without_remarks(program.model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        program.save(str(path))
        graph = path.read_bytes()
    with torch.no_grad():
        expected = network(**inputs).numpy()
    check_graph(graph, {name: value.numpy() for name, value in inputs.items()}, expected)
    return graph


@contextmanager
def _exporter_silenced() -> Iterator[None]:
    """Without torch's remarks on its own deprecations and on packages that are not needed here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _name_output(graph: Any, name: str) -> None:
    """Name the only output; the exporter may have given an inner value that very name."""
    for node in graph:
        for value in node.outputs:
            if value.name == name:
                value.name = f"inner_{name}"
    graph.outputs[0].name = name


def _without_remarks(model: Any) -> None:
    """Drop what the exporter notes of its own doing, such as paths of this machine."""
    graph = model.graph
    values = [*graph.inputs, *graph.initializers.values()]
    for node in graph:
        node.doc_string = None
        values += node.outputs
        node.metadata_props.clear()
    for thing in (model, graph, *values):
        thing.doc_string = None
        thing.metadata_props.clear()


def check_graph(
    graph: bytes, inputs: Mapping[str, NDArray[np.generic]], expected: NDArray[np.float32]
) -> None:
    """Raise `BundleError` unless ONNX Runtime gives what torch gave."""
    # As in the runtime: releases from 1.29 on would report the model over the network.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, dict(inputs))
    difference = float(np.abs(found - expected).max())
    if not difference <= _TOLERANCE:
        raise BundleError(
            f"the ONNX graph differs from the network by {difference:.2g}, more than {_TOLERANCE}"
        )
