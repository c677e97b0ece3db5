"""YAMNet as a frozen torch module, rebuilt from the weights inside `yamnet.tflite`.

A teacher for training only: it runs beside the student on any device, in batches, and hears exactly
what the student hears. Source of the network: MobileNet v1 (Howard et al. 2017) with YAMNet's
96 x 64 log-mel patch; weights Apache-2.0, read with `ai-edge-litert` from a file that the user has.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.errors import DataError

PATCH_FRAMES = 96
EMBEDDING_WIDTH = 1024
N_CLASSES = 521
_STRIDES = {1: 2, 3: 2, 5: 2, 7: 2, 13: 2}
_N_LAYERS = 14


class Yamnet(nn.Module):
    """Log-mel patches `[batch, 96, 64]` (preset `yamnet_16k`) → `(embedding [batch, 1024], logits
    [batch, 521])`. The batch-norm scales are already folded into the stored weights."""

    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.convs = nn.ParameterDict({k: _frozen(v) for k, v in tensors.items()})

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        x = patches.unsqueeze(1)
        for layer in range(1, _N_LAYERS + 1):
            stride = _STRIDES.get(layer, 1)
            if layer == 1:
                x = self._conv(x, "1.conv", stride)
            else:
                x = self._conv(x, f"{layer}.depthwise", stride)
                x = self._conv(x, f"{layer}.pointwise", 1)
        embedding = x.mean((2, 3))
        return embedding, F.linear(embedding, self.convs["dense_w"], self.convs["dense_b"])

    def _conv(self, x: Tensor, name: str, stride: int) -> Tensor:
        weight = self.convs[f"{name.replace('.', '_')}_w"]
        bias = self.convs[f"{name.replace('.', '_')}_b"]
        if weight.shape[-1] == 3:
            # TensorFlow's "same" padding: with stride 2 on an even size, only bottom and right.
            x = F.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
        groups = weight.shape[0] if weight.shape[1] == 1 and x.shape[1] > 1 else 1
        return F.relu(F.conv2d(x, weight, bias, stride=stride, groups=groups))


def load_yamnet(path: str | Path) -> Yamnet:
    """Read the weights of `yamnet.tflite`, dequantise them, and build the module (eval mode).

    Raises `DataError` when the file is missing or is another network.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(
            f"the teacher's weights are not there: {path}",
            remedy="give the folder that holds weights/yamnet/yamnet.tflite",
        )
    tensors = _read_tensors(path)
    expected = 2 * (1 + 2 * (_N_LAYERS - 1)) + 2
    if len(tensors) != expected:
        raise DataError(
            f"{path} holds {len(tensors)} of the {expected} weights of YAMNet",
            remedy="use the yamnet.tflite that takes 15,600 samples and gives 521 scores",
        )
    return Yamnet(tensors).eval()


def class_names(path: str | Path) -> list[str]:
    """The 521 display names of `yamnet_class_map.csv`, in order."""
    import csv

    with Path(path).open(newline="", encoding="utf-8") as file:
        return [row["display_name"] for row in csv.DictReader(file)]


def patches_of(features: Tensor) -> Tensor:
    """Log-mels `[batch, frames, 64]` → `[batch, frames // 96, 96, 64]` without overlap."""
    n = features.shape[1] // PATCH_FRAMES
    return features[:, : n * PATCH_FRAMES].reshape(
        len(features), n, PATCH_FRAMES, features.shape[2]
    )


def _frozen(array: np.ndarray) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.ascontiguousarray(array)), requires_grad=False)


def _read_tensors(path: Path) -> dict[str, np.ndarray]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    interpreter.allocate_tensors()
    found: dict[str, np.ndarray] = {}
    for detail in interpreter.get_tensor_details():
        name = str(detail["name"])
        key = _key(name, len(detail["shape"]))
        if key is None or key in found:
            continue
        try:
            values = interpreter.get_tensor(detail["index"])
        except ValueError:
            continue  # an intermediate result, not a weight
        found[key] = _as_torch(_dequantised(values, detail["quantization_parameters"]), key)
    return found


def _key(name: str, n_dims: int) -> str | None:
    if name == "yamnet_frames/dense/MatMul":
        return "dense_w"
    if name == "yamnet_frames/dense/BiasAdd/ReadVariableOp/resource":
        return "dense_b"
    match = re.match(r"yamnet_frames/layer(\d+)/(?:(depthwise|pointwise)_)?conv/(bn|Conv2D)", name)
    if match is None or "relu" in name or "dequant" in name:
        return None
    stem = f"{match[1]}_{match[2] or 'conv'}"
    return f"{stem}_w" if n_dims == 4 else f"{stem}_b"


def _dequantised(values: np.ndarray, parameters: dict[str, np.ndarray]) -> np.ndarray:
    scales = parameters["scales"]
    if len(scales) == 0:
        return values.astype(np.float32)
    shape = [1] * values.ndim
    shape[int(parameters["quantized_dimension"])] = -1
    zero = parameters["zero_points"].reshape(shape).astype(np.float32)
    result: np.ndarray = (values.astype(np.float32) - zero) * scales.reshape(shape)
    return result.astype(np.float32)


def _as_torch(values: np.ndarray, key: str) -> np.ndarray:
    if values.ndim != 4:
        return values
    # depthwise is stored [1, h, w, channels], others [out, h, w, in]; torch wants [out, in, h, w]
    return values.transpose(3, 0, 1, 2) if "depthwise" in key else values.transpose(0, 3, 1, 2)
