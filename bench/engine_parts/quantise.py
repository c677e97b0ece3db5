"""int8 versions of a bundle's graphs, by ONNX Runtime's own quantiser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import onnx
from onnx import helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from engine_parts.running import Feeds
from soundseek.lab.onnx_export import with_half_weights


class Int8(NamedTuple):
    """What stays in float32 (`_kept`), and whether weights have seven bits, since products of
    eight overflow on processors without VNNI."""

    keep: str = "nothing"
    seven_bits: bool = False


class _Windows(CalibrationDataReader):
    def __init__(self, batches: Sequence[Feeds]) -> None:
        self._left: Iterator[Feeds] = iter(batches)

    def get_next(self) -> Any:
        batch = next(self._left, None)
        return None if batch is None else dict(batch)


def folded(graph: Path, into: Path) -> Path:
    """The graph with what is constant computed, such as weights kept as float16."""
    model = onnx.load(graph)
    # Some exported value shapes contradict what shape inference finds; none are needed.
    del model.graph.value_info[:]
    bare = into.with_suffix(".bare.onnx")
    onnx.save(model, bare)
    quant_pre_process(str(bare), str(into), skip_symbolic_shape=True)
    bare.unlink()
    return into


def static_int8(graph: Path, into: Path, batches: Sequence[Feeds], choice: Int8) -> Path:
    """Weights a channel in signed, activations a tensor in unsigned int8, fitted on `batches`."""
    quantize_static(
        str(graph),
        str(into),
        _Windows(batches),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv", "MatMul", "Gemm"],
        per_channel=True,
        reduce_range=choice.seven_bits,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=_kept(onnx.load(graph), choice.keep),
        calibrate_method=CalibrationMethod.MinMax,
        extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
    )
    return _rest_halved(into)


def dynamic_int8(graph: Path, into: Path, *, words: bool) -> Path:
    """Weights in int8, the ranges of activations are found as they come; with `words` the table
    of word vectors too, with one scale for all of it.

    Weights have seven bits: products of eight overflow on processors without VNNI.
    """
    quantize_dynamic(
        str(graph),
        str(into),
        op_types_to_quantize=["MatMul", "Gemm", *(["Gather"] if words else [])],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )
    return _rest_halved(into)


def _rest_halved(path: Path) -> Path:
    path.write_bytes(with_half_weights(path.read_bytes()))
    return path


def _kept(model: Any, keep: str) -> list[str]:
    """Nodes that stay in float32: with `depthwise` the first two convolutions, every depthwise one,
    and all matrix products, which follow the pooling."""
    if keep == "nothing":
        return []
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    kept = [node.name for node in convolutions[:2]]
    kept += [node.name for node in model.graph.node if node.op_type in {"MatMul", "Gemm"}]
    for node in convolutions[2:]:
        group = {a.name: helper.get_attribute_value(a) for a in node.attribute}.get("group", 1)
        if group > 1:
            kept.append(node.name)
    return kept
