"""A mobile convolutional network on log-mels: inverted residuals in the manner of MobileNetV3 and
EfficientAT's mn (Howard et al. 2019; Schmid et al. 2023), without squeeze-and-excitation, whose
global pooling would let a window's padding reach every step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from soundseek.audio.frontends import PRESETS, n_frames
from soundseek.errors import DataError
from soundseek.lab.audio_encoders.options import RemembersOptions
from soundseek.lab.checkpoints import Checkpoint, load_strict
from soundseek.lab.encodings import AudioEncoding, masked_mean
from soundseek.lab.frontends import FrontEnd

PATCH_FRAMES = 96
_FRAMES_PER_CELL = 32
# A patch counts as sound when this many of its frames are (a quarter).
_LEAST_FRAMES = 24


@dataclass(frozen=True)
class Block:
    """An inverted residual: widened to `hidden`, `kernel` × `kernel` depthwise, to `channels`."""

    kernel: int
    hidden: int
    channels: int
    stride: int
    hard_swish: bool


# Howard et al. 2019, table 1 (MobileNetV3-Large), as EfficientAT's mn uses it.
BLOCKS = (
    Block(3, 16, 16, 1, False),
    Block(3, 64, 24, 2, False),
    Block(3, 72, 24, 1, False),
    Block(5, 72, 40, 2, False),
    Block(5, 120, 40, 1, False),
    Block(5, 120, 40, 1, False),
    Block(3, 240, 80, 2, True),
    Block(3, 200, 80, 1, True),
    Block(3, 184, 80, 1, True),
    Block(3, 184, 80, 1, True),
    Block(3, 480, 112, 1, True),
    Block(3, 672, 112, 1, True),
    Block(5, 672, 160, 2, True),
    Block(5, 960, 160, 1, True),
    Block(5, 960, 160, 1, True),
)


class MobileNet(RemembersOptions, nn.Module):
    """Features `[batch, frames, 64]` (preset `yamnet_16k`, frames a multiple of 96) →
    `AudioEncoding` of one step a 0.96 s patch.

    `lengths` `[batch]` counts the valid frames of each item; the first step is always valid.
    """

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType({"multiplier": 0.2, "width": 32})
    least_frames = PATCH_FRAMES

    def __init__(self, *, multiplier: float = 1.0, width: int = 960) -> None:
        super().__init__()
        self.frontend = FrontEnd(PRESETS["yamnet_16k"])
        self.sample_rate = self.frontend.spec.sample_rate
        self.width = width
        self.seconds_per_step = PATCH_FRAMES * self.frontend.spec.hop_samples / self.sample_rate
        channels = _rounded(16 * multiplier)
        blocks: list[nn.Module] = [_conv(1, channels, 3, stride=2, activation=nn.Hardswish())]
        for block in BLOCKS:
            blocks.append(_InvertedResidual(channels, block, multiplier))
            channels = _rounded(block.channels * multiplier)
        blocks.append(_conv(channels, width, 1, activation=nn.Hardswish()))
        self.body = nn.Sequential(*blocks)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, **options: Any) -> Self:
        """The network of a state dict saved from this class."""
        network = cls(**options)
        load_strict(network, checkpoint.tensors, where=checkpoint.path)
        return network

    def features(self, waveforms: Tensor) -> Tensor:
        """Waveforms `[batch, samples]` → log-mels `[batch, frames, 64]`."""
        features: Tensor = self.frontend(waveforms)
        return features

    def frames(self, samples: int) -> int:
        """Frames that so many samples give."""
        return n_frames(samples, self.frontend.spec)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> AudioEncoding:
        if features.shape[1] % PATCH_FRAMES:
            raise DataError(
                f"{features.shape[1]} frames are no whole number of patches",
                remedy=f"pad the windows to a multiple of {PATCH_FRAMES} frames",
            )
        # ln(x + 0.001) of ordinary sound lies in −7 … 3: centred and scaled by fixed numbers.
        x = ((features + 4.0) / 4.0).unsqueeze(1)
        x = self.body(x).mean(3)
        sequence = x.unflatten(2, (-1, PATCH_FRAMES // _FRAMES_PER_CELL)).mean(3).transpose(1, 2)
        if lengths is None:
            lengths = torch.full(features.shape[:1], features.shape[1], device=features.device)
        steps = torch.arange(sequence.shape[1], device=lengths.device)[None, :]
        mask = (lengths[:, None] >= steps * PATCH_FRAMES + _LEAST_FRAMES) | (steps == 0)
        return AudioEncoding(sequence=sequence, mask=mask, pooled=masked_mean(sequence, mask))


class _InvertedResidual(nn.Module):
    def __init__(self, channels: int, block: Block, multiplier: float) -> None:
        super().__init__()
        hidden = _rounded(block.hidden * multiplier)
        out = _rounded(block.channels * multiplier)
        self.residual = block.stride == 1 and channels == out
        activation = nn.Hardswish() if block.hard_swish else nn.ReLU()
        layers = [_conv(channels, hidden, 1, activation=activation)] if hidden != channels else []
        layers.append(
            _conv(
                hidden,
                hidden,
                block.kernel,
                stride=block.stride,
                groups=hidden,
                activation=activation,
            )
        )
        layers.append(_conv(hidden, out, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


def _conv(
    channels: int,
    out: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    activation: nn.Module | None = None,
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out),
    ]
    if activation is not None:
        layers.append(activation)
    return nn.Sequential(*layers)


def _rounded(channels: float) -> int:
    """To a multiple of 8, as processors like it."""
    return max(8, int(channels + 4) // 8 * 8)
