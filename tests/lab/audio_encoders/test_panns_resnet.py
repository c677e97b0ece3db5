"""ResNet38, and Surrey's networks, against their description written out once more on bare
tensors: no recorded arrays of them are at hand."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor
from torch.nn import functional as F

from soundseek.lab.audio_encoders import build_audio_encoder, encoder_class
from soundseek.lab.audio_encoders.panns_resnet import ResNet38
from support.lively_weights import enlivened

pytestmark = pytest.mark.lab

State = dict[str, Tensor]


def normed(x: Tensor, state: State, key: str) -> Tensor:
    names = ("running_mean", "running_var", "weight", "bias")
    mean, variance, weight, bias = (state[f"{key}.{name}"][:, None, None] for name in names)
    return (x - mean) / (variance + 1e-5).sqrt() * weight + bias


def block(x: Tensor, state: State, key: str, pool: int) -> Tensor:
    for number in (1, 2):
        x = F.conv2d(x, state[f"{key}.conv{number}.weight"], padding=1)
        x = normed(x, state, f"{key}.bn{number}").relu()
    return F.avg_pool2d(x, pool)


def residual(x: Tensor, state: State, key: str, halves: bool) -> Tensor:
    shortcut, first = x, F.avg_pool2d(x, 2) if halves else x
    if f"{key}.downsample.{int(halves)}.weight" in state:
        shortcut = F.conv2d(first, state[f"{key}.downsample.{int(halves)}.weight"])
        shortcut = normed(shortcut, state, f"{key}.downsample.{int(halves) + 1}")
    y = F.conv2d(first, state[f"{key}.conv1.weight"], padding=1)
    y = normed(y, state, f"{key}.bn1").relu()
    y = F.conv2d(y, state[f"{key}.conv2.weight"], padding=1)
    return (normed(y, state, f"{key}.bn2") + shortcut).relu()


def resnet_map(x: Tensor, state: State, blocks: tuple[int, ...]) -> Tensor:
    x = block(x, state, "conv_block1", 2)
    for layer, count in enumerate(blocks, 1):
        for index in range(count):
            x = residual(x, state, f"resnet.layer{layer}.{index}", layer > 1 and index == 0)
    return block(F.avg_pool2d(x, 2), state, "conv_block_after1", 1)


def cnn_map(x: Tensor, state: State, pools: list[int]) -> Tensor:
    for number, pool in enumerate(pools, 1):
        x = block(x, state, f"conv_block{number}", pool)
    return x


def entrance(features: Tensor, state: State) -> Tensor:
    names = ("running_mean", "running_var", "weight", "bias")
    mean, variance, weight, bias = (state[f"bn0.{name}"] for name in names)
    return ((features - mean) / (variance + 1e-5).sqrt() * weight + bias)[:, None]


@torch.no_grad()
@pytest.mark.parametrize(
    "name",
    [f"{family}_{net}" for family in ("panns", "surrey") for net in ("cnn10", "cnn14", "resnet38")],
)
def test_the_network_is_what_is_written(name: str) -> None:
    options: dict[str, Any] = dict(encoder_class(name).TINY)
    if name.startswith("surrey"):
        options["projection"] = (10, 6)
    encoder: Any = enlivened(build_audio_encoder(name, options))  # type: ignore[type-var]
    state = encoder.state_dict()
    features = torch.randn(2, 141, 64, generator=torch.Generator().manual_seed(2))
    x = entrance(features, state)
    expected = {
        "panns_cnn10": lambda: cnn_map(x, state, [2, 2, 2, 2]),
        "surrey_cnn10": lambda: cnn_map(x, state, [2, 2, 2, 2]),
        "panns_cnn14": lambda: cnn_map(x, state, [2, 2, 2, 2, 2, 1]),
        "surrey_cnn14": lambda: cnn_map(x, state, [2, 2, 2, 2, 2, 2]),
        "panns_resnet38": lambda: resnet_map(x, state, (1, 2, 1, 1)),
        "surrey_resnet38": lambda: resnet_map(x, state, (1, 2, 1, 1)),
    }[name]()
    encoding = encoder(features)
    torch.testing.assert_close(encoding.feature_map, expected, rtol=1e-5, atol=1e-5)
    over_time = expected.mean(3)
    pooled = over_time.max(2).values + over_time.mean(2)
    torch.testing.assert_close(encoding.pooled, pooled, rtol=1e-5, atol=1e-5)
    head = ("fc1", "fc_audioset") if name.startswith("panns") else ("layers.0", "layers.2")
    (first, b1), (second, b2) = (
        (state[f"head.{key}.weight"], state[f"head.{key}.bias"]) for key in head
    )
    hidden = (pooled @ first.T + b1).relu()
    result = hidden @ second.T + b2
    if name.startswith("panns"):
        torch.testing.assert_close(encoding.embedding, hidden, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(encoding.logits, result, rtol=1e-5, atol=1e-5)
    else:
        torch.testing.assert_close(encoding.embedding, result, rtol=1e-5, atol=1e-5)


def test_the_public_network_has_upstreams_keys() -> None:
    with torch.device("meta"):
        state = ResNet38().state_dict()
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    assert shapes["conv_block1.conv1.weight"] == (64, 1, 3, 3)
    assert shapes["conv_block_after1.conv2.weight"] == (2048, 2048, 3, 3)
    assert shapes["head.fc_audioset.weight"] == (527, 2048)
    for layer, (count, planes) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512), strict=True), 1):
        for index in range(count):
            assert shapes[f"resnet.layer{layer}.{index}.conv2.weight"] == (planes, planes, 3, 3)
        assert f"resnet.layer{layer}.{count}.conv1.weight" not in shapes
    shortcuts = {key: shape for key, shape in shapes.items() if "downsample" in key}
    convolutions = {key: shape for key, shape in shortcuts.items() if len(shape) == 4}
    assert convolutions == {
        "resnet.layer2.0.downsample.1.weight": (128, 64, 1, 1),
        "resnet.layer3.0.downsample.1.weight": (256, 128, 1, 1),
        "resnet.layer4.0.downsample.1.weight": (512, 256, 1, 1),
    }
    assert all(key.split(".")[4] in "12" for key in shortcuts)
    parameters = sum(v.numel() for k, v in state.items() if "running" not in k and v.ndim)
    assert parameters == 73_783_247


def test_residual_blocks_begin_closed() -> None:
    encoder = ResNet38(**ResNet38.TINY)
    assert not encoder.state_dict()["resnet.layer2.1.bn2.weight"].any()
