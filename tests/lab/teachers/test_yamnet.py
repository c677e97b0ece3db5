from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError
from soundseek.lab.teachers import yamnet
from soundseek.lab.teachers.yamnet import Yamnet, class_names, load_yamnet, patches_of
from soundseek.synth import render

pytestmark = pytest.mark.lab

_CHANNELS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)


def random_tensors(seed: int = 1) -> dict[str, np.ndarray]:
    """The weights of a YAMNet that has heard nothing, in torch's layout."""
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> np.ndarray:
        fan_in = int(np.prod(shape[1:])) or 1
        return (rng.standard_normal(shape) * np.sqrt(2.0 / fan_in)).astype(np.float32)

    tensors = {"1_conv_w": drawn(32, 1, 3, 3), "1_conv_b": np.zeros(32, np.float32)}
    for layer, (before, after) in enumerate(pairwise(_CHANNELS), start=2):
        tensors[f"{layer}_depthwise_w"] = drawn(before, 1, 3, 3)
        tensors[f"{layer}_depthwise_b"] = np.zeros(before, np.float32)
        tensors[f"{layer}_pointwise_w"] = drawn(after, before, 1, 1)
        tensors[f"{layer}_pointwise_b"] = np.zeros(after, np.float32)
    return tensors | {"dense_w": drawn(521, 1024), "dense_b": np.zeros(521, np.float32)}


@torch.no_grad()
def test_the_map_halves_where_the_paper_says(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: dict[str, tuple[int, ...]] = {}
    real = Yamnet._conv

    def noted(self: Yamnet, x: torch.Tensor, name: str, stride: int) -> torch.Tensor:
        y = real(self, x, name, stride)
        shapes[name] = tuple(y.shape[1:])
        return y

    monkeypatch.setattr(Yamnet, "_conv", noted)
    embedding, logits = Yamnet(random_tensors()).eval()(torch.randn(2, 96, 64))
    assert embedding.shape == (2, 1024)
    assert logits.shape == (2, 521)
    sizes = {1: (48, 32), 3: (24, 16), 5: (12, 8), 7: (6, 4), 13: (3, 2)}
    size = sizes[1]
    for layer, channels in enumerate(_CHANNELS, start=1):
        size = sizes.get(layer, size)
        assert shapes["1.conv" if layer == 1 else f"{layer}.pointwise"] == (channels, *size)


def naive_same_depthwise(x: np.ndarray, kernels: np.ndarray, stride: int) -> np.ndarray:
    """TensorFlow's "same" padding, then ReLU: out = ⌈n / stride⌉, the odd pad goes to the end."""
    channels, height, width = x.shape
    rows, columns = -(-height // stride), -(-width // stride)
    top = max((rows - 1) * stride + 3 - height, 0) // 2
    left = max((columns - 1) * stride + 3 - width, 0) // 2
    out = np.zeros((channels, rows, columns))
    for c, r, k in np.ndindex(out.shape):
        for i, j in np.ndindex(3, 3):
            y, z = r * stride + i - top, k * stride + j - left
            if 0 <= y < height and 0 <= z < width:
                out[c, r, k] += x[c, y, z] * kernels[c, i, j]
    return np.maximum(out, 0)


@torch.no_grad()
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_is_tensorflows(stride: int) -> None:
    rng = np.random.default_rng(stride)
    x = rng.standard_normal((4, 6, 8)).astype(np.float32)
    kernels = rng.standard_normal((4, 1, 3, 3)).astype(np.float32)
    network = Yamnet({"9_depthwise_w": kernels, "9_depthwise_b": np.zeros(4, np.float32)})
    got = network._conv(torch.from_numpy(x)[None], "9.depthwise", stride)[0].numpy()
    np.testing.assert_allclose(got, naive_same_depthwise(x, kernels[:, 0], stride), atol=1e-5)


def test_the_teacher_does_not_learn() -> None:
    assert not any(parameter.requires_grad for parameter in Yamnet(random_tensors()).parameters())


_BN = "bn/FusedBatchNormV3"


@pytest.mark.parametrize(
    ("name", "n_dims", "key"),
    [
        ("yamnet_frames/dense/MatMul", 2, "dense_w"),
        ("yamnet_frames/dense/BiasAdd/ReadVariableOp/resource", 1, "dense_b"),
        ("yamnet_frames/dense/BiasAdd", 2, None),
        ("yamnet_frames/layer1/conv/Conv2D", 4, "1_conv_w"),
        (f"yamnet_frames/layer1/conv/{_BN}", 1, "1_conv_b"),
        ("yamnet_frames/layer14/pointwise_conv/Conv2D", 4, "14_pointwise_w"),
        (f"yamnet_frames/layer14/pointwise_conv/{_BN}", 1, "14_pointwise_b"),
        (f"yamnet_frames/layer3/depthwise_conv/{_BN};more", 4, "3_depthwise_w"),
        (f"yamnet_frames/layer3/depthwise_conv/{_BN}", 1, "3_depthwise_b"),
        (f"yamnet_frames/layer3/depthwise_conv/relu/Relu;x/{_BN}", 4, None),
        (f"yamnet_frames/layer3/depthwise_conv/{_BN};x_dequantised", 4, None),
        ("yamnet_frames/tf_op_layer_MatMul/MatMul", 2, None),
        ("", 4, None),
    ],
)
def test_names_of_tensors(name: str, n_dims: int, key: str | None) -> None:
    assert yamnet._key(name, n_dims) == key


def quantised(scales: list[float], zeros: list[int], dimension: int) -> dict[str, np.ndarray]:
    return {
        "scales": np.array(scales, np.float32),
        "zero_points": np.array(zeros, np.int32),
        "quantized_dimension": np.array(dimension),
    }


def test_weights_are_dequantised_along_their_dimension() -> None:
    values = np.array([[1, -2], [3, 4]], np.int8)
    rows = yamnet._dequantised(values, quantised([0.5, 10.0], [0, 1], 0))
    assert rows.tolist() == [[0.5, -1.0], [20.0, 30.0]]
    columns = yamnet._dequantised(values, quantised([0.5, 10.0], [0, 1], 1))
    assert columns.tolist() == [[0.5, -30.0], [1.5, 30.0]]
    whole = yamnet._dequantised(values, quantised([2.0], [-1], 0))
    assert whole.tolist() == [[4.0, -2.0], [8.0, 10.0]]
    plain = yamnet._dequantised(values.astype(np.float32), quantised([], [], 0))
    assert plain.tolist() == values.tolist()
    assert {a.dtype for a in (rows, columns, whole, plain)} == {np.dtype(np.float32)}


def test_layouts_are_turned_to_torchs() -> None:
    assert yamnet._as_torch(np.zeros((1, 3, 3, 64)), "3_depthwise_w").shape == (64, 1, 3, 3)
    assert yamnet._as_torch(np.zeros((128, 1, 1, 64)), "3_pointwise_w").shape == (128, 64, 1, 1)
    assert yamnet._as_torch(np.zeros((32, 3, 3, 1)), "1_conv_w").shape == (32, 1, 3, 3)
    assert yamnet._as_torch(np.zeros(32), "1_conv_b").shape == (32,)


def test_a_missing_file_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"yamnet.tflite\n.*weights/yamnet/yamnet.tflite"):
        load_yamnet(tmp_path / "yamnet.tflite")


def test_another_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "yamnet.tflite").write_bytes(b"")
    some = random_tensors()
    del some["7_pointwise_w"]
    monkeypatch.setattr(yamnet, "_read_tensors", lambda path: some)
    with pytest.raises(DataError, match="55 of the 56 weights"):
        load_yamnet(tmp_path / "yamnet.tflite")
    monkeypatch.setattr(yamnet, "_read_tensors", lambda path: random_tensors())
    assert not load_yamnet(tmp_path / "yamnet.tflite").training


def test_class_names(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text('index,mid,display_name\n0,/m/1,Speech\n1,/m/2,"Rain, drops"\n', "utf-8")
    assert class_names(path) == ["Speech", "Rain, drops"]


def test_patches_leave_the_rest_out() -> None:
    log_mels = torch.arange(2 * 200 * 64, dtype=torch.float32).reshape(2, 200, 64)
    patches = patches_of(log_mels)
    assert patches.shape == (2, 2, 96, 64)
    assert patches[1, 1].equal(log_mels[1, 96:192])
    assert patches_of(log_mels[:, :90]).shape == (2, 0, 96, 64)


@torch.no_grad()
def test_agrees_with_the_interpreter_on_the_real_weights() -> None:
    """Set SOUNDSEEK_DATA to a folder with weights/yamnet.

    Both get the interpreter's own log-mels: it computes its spectrum with 8-bit weights, which
    moves quiet bands by whole units of the logarithm and scores by up to 0.7. The network itself
    differs by 8-bit activations alone, up to 0.02.
    """
    if "SOUNDSEEK_DATA" not in os.environ:
        pytest.skip("SOUNDSEEK_DATA is not set: no YAMNet weights to compare with")
    interpreter_module = pytest.importorskip("ai_edge_litert.interpreter")
    path = Path(os.environ["SOUNDSEEK_DATA"]) / "weights" / "yamnet" / "yamnet.tflite"
    interpreter = interpreter_module.Interpreter(str(path))
    interpreter.allocate_tensors()
    scores, log_mels = (output["index"] for output in interpreter.get_output_details())
    network, names = load_yamnet(path), class_names(path.with_name("yamnet_class_map.csv"))
    assert len(names) == 521
    loudest = set()
    for kind in ("rain", "wind", "siren", "waves"):
        wave = render(kind, duration_s=1.3, sample_rate=16_000)[:15_600]
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], wave[None])
        interpreter.invoke()
        theirs = interpreter.get_tensor(scores)[0]
        _, logits = network(torch.from_numpy(interpreter.get_tensor(log_mels).copy())[None])
        np.testing.assert_allclose(logits[0].sigmoid().numpy(), theirs, rtol=0, atol=0.04)
        loudest.add(names[int(theirs.argmax())])
    assert {"Wind", "Siren", "Ocean"} <= loudest
