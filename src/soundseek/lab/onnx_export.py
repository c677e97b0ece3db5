"""Networks as ONNX graphs, checked against torch before they leave the lab."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from soundseek.errors import BundleError
from soundseek.lab.quiet import hushed

OPSET = 18
_MOST_ITEMS = 4096
TOLERANCE = 2e-4
"""The largest difference of a coordinate of a unit vector, graph against torch."""


def audio_onnx(network: nn.Module, *, frames: int, bands: int) -> bytes:
    """`audio.onnx` of a network that takes features float32 `[batch, frames, bands]` and lengths
    int64 `[batch]` and returns unit vectors `[batch, dimension]`, for windows of `frames` frames.

    Raises `BundleError` where the network cannot be turned into a graph, or the graph gives other
    vectors, for one window and for several.
    """

    def inputs(lengths: list[int]) -> dict[str, Tensor]:
        features = torch.randn(len(lengths), frames, bands) - 4.0
        return {"features": features, "lengths": torch.tensor(lengths)}

    batch = torch.export.Dim("batch", min=1, max=_MOST_ITEMS)
    return exported(
        network.eval(),
        inputs([frames, frames // 2, 1]),
        {"features": {0: batch}, "lengths": {0: batch}},
        [inputs([max(1, 2 * frames // 3)]), inputs([2, frames, frames - 1, 1, frames // 3 + 1])],
    )


def text_onnx(network: nn.Module, *, vocabulary: int, max_tokens: int, pad_id: int = 0) -> bytes:
    """`text.onnx` of a network that takes token ids (below `vocabulary`) and their mask, int64
    `[batch, tokens]`, and returns unit vectors, for texts of up to `max_tokens` tokens.

    Raises `BundleError` as `audio_onnx` does, and for fewer than three tokens.
    """
    if max_tokens < 3:
        raise BundleError(
            f"a text of {max_tokens} tokens is too short for a bundle",
            remedy="train with text.max_tokens of at least 3",
        )

    def inputs(lengths: list[int]) -> dict[str, Tensor]:
        lengths = [min(length, max_tokens) for length in lengths]
        ids = torch.randint(1, vocabulary, (len(lengths), max(lengths)))
        mask = torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]
        return {"input_ids": ids.where(mask, pad_id), "attention_mask": mask.long()}

    batch = torch.export.Dim("batch", min=1, max=_MOST_ITEMS)
    tokens = torch.export.Dim("tokens", min=2, max=max_tokens)
    return exported(
        network.eval(),
        inputs([7, 4, 2]),
        {"input_ids": {0: batch, 1: tokens}, "attention_mask": {0: batch, 1: tokens}},
        [inputs([1]), inputs([3, 1, max_tokens, 2, 2])],
    )


def exported(
    network: nn.Module,
    inputs: Mapping[str, Tensor],
    dynamic: Mapping[str, Any],
    others: Sequence[Mapping[str, Tensor]],
    *,
    outputs: Sequence[str] = ("embedding",),
    tolerance: float = TOLERANCE,
) -> bytes:
    """The graph of a network in eval mode that takes `inputs` by name and returns a tensor for each
    of `outputs`; `dynamic` are the sizes that may vary, `others` inputs to check it with.

    Raises `BundleError` where the network cannot be turned into a graph, or the graph gives other
    values: by more than `tolerance`.
    """
    graph = _traced(network, inputs, dynamic, outputs)
    # The inputs that were traced prove little: a graph may have taken their sizes for constants.
    for some in (inputs, *others):
        with torch.no_grad():
            found = network(**some)
        expected = [one.numpy() for one in (found if isinstance(found, tuple) else (found,))]
        arrays = {name: value.numpy() for name, value in some.items()}
        check_graph(graph, arrays, *expected, tolerance=tolerance)
    return graph


def with_half_weights(graph: bytes, *, least: int = 4096) -> bytes:
    """The graph with weights of `least` values or more kept as float16, and turned into float32
    when it is opened: half the size, and the same arithmetic on weights that are rounded.

    Tables of which rows are looked up, such as word vectors, stay float16 in memory too: their rows
    become float32 as they are found. Weights with a value beyond float16 stay as they are.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(graph)
    readers: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or int(np.prod(tensor.dims)) < least:
            continue
        values = numpy_helper.to_array(tensor)
        if not np.abs(values).max() <= np.finfo(np.float16).max:
            continue
        name, stored = tensor.name, f"{tensor.name}_half"
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        uses = readers.get(name, [])
        if uses and all(node.op_type == "Gather" and node.input[0] == name for node in uses):
            _cast_what_is_found(model.graph, uses, stored)
            continue
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    for node in reversed(casts):
        model.graph.node.insert(0, node)
    return bytes(model.SerializeToString())


def _cast_what_is_found(graph: Any, lookups: Sequence[Any], table: str) -> None:
    """Let the lookups read `table`, of float16, and make what they find float32."""
    from onnx import TensorProto, helper

    for node in lookups:
        (found,) = node.output
        rows = f"{found}_half"
        node.input[0], node.output[0] = table, rows
        cast = helper.make_node("Cast", [rows], [found], to=TensorProto.FLOAT)
        graph.node.insert(list(graph.node).index(node) + 1, cast)


def _traced(
    network: nn.Module,
    inputs: Mapping[str, Tensor],
    dynamic: Mapping[str, Any],
    outputs: Sequence[str],
) -> bytes:
    try:
        # With gradients, attention is traced by another formula, which not every mask survives.
        with hushed("torch.onnx"), torch.no_grad():
            program = torch.onnx.export(
                network,
                kwargs=dict(inputs),
                dynamic_shapes=dict(dynamic),
                input_names=list(inputs),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        cause = error.__cause__ or error
        reason = str(cause).strip() or type(cause).__name__
        raise BundleError(
            f"the network could not be turned into an ONNX graph: {reason.splitlines()[0]}"
        ) from error
    if program is None:
        raise BundleError("the network could not be turned into an ONNX graph")
    _name_outputs(program.model.graph, outputs)
    _without_remarks(program.model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        program.save(str(path))
        if any(other != path for other in Path(folder).iterdir()):
            raise BundleError("the network is larger than the 2 GB that an ONNX file can hold")
        return path.read_bytes()


def _name_outputs(graph: Any, names: Sequence[str]) -> None:
    """Name the outputs; the exporter may have given inner values these very names."""
    for node in graph:
        for value in node.outputs:
            if value.name in names:
                value.name = f"inner_{value.name}"
    for output, name in zip(graph.outputs, names, strict=True):
        output.name = name


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
    graph: bytes,
    inputs: Mapping[str, NDArray[np.generic]],
    *expected: NDArray[np.generic],
    tolerance: float = TOLERANCE,
) -> None:
    """Raise `BundleError` unless ONNX Runtime gives what torch gave, output by output."""
    # As in the runtime: releases from 1.29 on would report the model over the network.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    try:
        found = session.run(None, dict(inputs))
    except Exception as error:  # ONNX Runtime's exceptions have no base of their own
        shapes = {name: value.shape for name, value in inputs.items()}
        raise BundleError(f"the ONNX graph does not run for {shapes}: {error}") from error
    for one, other in zip(found, expected, strict=True):
        if one.shape != other.shape:
            raise BundleError(
                f"the ONNX graph gives values of shape {one.shape}, the network {other.shape}"
            )
        difference = float(np.abs(one - other).max())
        if not difference <= tolerance:
            raise BundleError(
                f"the ONNX graph differs from the network by {difference:.2g}, "
                f"more than {tolerance}"
            )
