"""YAMNet as an audio encoder: small, from AudioSet, to be trained further or from nothing.

MobileNet v1 (Howard et al. 2017) on patches of 96 log-mel frames. The public weights come as
`yamnet.tflite`, with the batch norms folded into the convolutions; the random form has batch norms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.audio.frontends import PRESETS, n_frames
from soundseek.errors import DataError
from soundseek.lab.audio_encoders.options import RemembersOptions
from soundseek.lab.checkpoints import Checkpoint, load_strict
from soundseek.lab.encodings import AudioEncoding, masked_mean
from soundseek.lab.frontends import FrontEnd
from soundseek.lab.teachers.yamnet import N_CLASSES, PATCH_FRAMES, load_yamnet

# Channels after each pointwise convolution, and which layers halve both axes.
_CHANNELS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
_HALVING = (2, 4, 6, 12)
_LEAST_FRAMES = 24  # of a patch, for it to count as sound


class YamnetEncoder(RemembersOptions, nn.Module):
    """Log-mels `[batch, frames, 64]` (preset `yamnet_16k`) → `AudioEncoding` of one step of 1,024
    values a patch of 0.96 s. A last patch counts when a quarter of it is there.

    Args:
        multiplier: of all widths.
        batch_norm: after every convolution; False is the form of the public weights.
        classes: of the classifier of every patch, None for none. The public file's 521 are read
            from it unless `classes=None` is given. The clip's probabilities are the mean of its
            patches', as in the public code, and `logits` are theirs.
    """

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType({"multiplier": 0.05})
    CLASSES: ClassVar[int] = N_CLASSES
    least_frames = 1

    def __init__(
        self, *, multiplier: float = 1.0, batch_norm: bool = True, classes: int | None = None
    ) -> None:
        super().__init__()
        self.frontend = FrontEnd(PRESETS["yamnet_16k"])
        spec = self.frontend.spec
        self.sample_rate = spec.sample_rate
        self.seconds_per_step = PATCH_FRAMES * spec.hop_samples / spec.sample_rate
        channels = max(4, round(32 * multiplier))
        layers = [_Convolution(1, channels, 3, 2, 1, batch_norm)]
        for number, wide in enumerate(_CHANNELS, start=1):
            out = max(4, round(wide * multiplier))
            stride = 2 if number in _HALVING else 1
            layers.append(_Convolution(channels, channels, 3, stride, channels, batch_norm))
            layers.append(_Convolution(channels, out, 1, 1, 1, batch_norm))
            channels = out
        self.layers = nn.Sequential(*layers)
        self.width = channels
        self.classifier = None if classes is None else nn.Linear(channels, classes)

    @classmethod
    def from_path(cls, path: str | Path, **options: Any) -> Self:
        """The network of the public `yamnet.tflite` (needs ai-edge-litert), or a state dict.

        Raises `DataError` for a file that is missing or of another network.
        """
        if Path(path).suffix != ".tflite":
            from soundseek.lab.checkpoints import read_checkpoint

            return cls.from_checkpoint(read_checkpoint(path), **options)
        if options.get("multiplier", 1.0) != 1.0 or options.get("batch_norm"):
            raise DataError(f"{path} holds YAMNet at its full width, without batch norms")
        classes = options.get("classes", N_CLASSES)
        if classes not in (None, N_CLASSES):
            raise DataError(f"{path} has {N_CLASSES} classes, not {classes}")
        network = cls(batch_norm=False, classes=classes)
        public = load_yamnet(path).convs
        state = {}
        for i, name in enumerate(_public_names()):
            state[f"layers.{i}.convolution.weight"] = public[f"{name}_w"]
            state[f"layers.{i}.convolution.bias"] = public[f"{name}_b"]
        if classes is not None:
            state |= {"classifier.weight": public["dense_w"], "classifier.bias": public["dense_b"]}
        load_strict(network, state, where=path)
        return network

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, **options: Any) -> Self:
        """The network of a state dict saved from this class."""
        folded = "layers.0.convolution.bias" in checkpoint.tensors
        bias = checkpoint.tensors.get("classifier.bias")
        sizes = {"batch_norm": not folded, "classes": None if bias is None else len(bias)}
        network = cls(**{**sizes, **options})
        load_strict(network, checkpoint.tensors, where=checkpoint.path)
        return network

    def features(self, waveforms: Tensor) -> Tensor:
        """Waveforms `[batch, samples]` → log-mels `[batch, frames, 64]`; what is shorter than a
        frame becomes one frame of what there is."""
        short = self.frontend.spec.window_samples - waveforms.shape[-1]
        features: Tensor = self.frontend(F.pad(waveforms, (0, max(0, short))))
        return features

    def frames(self, samples: int) -> int:
        """Frames that so many samples give."""
        return max(1, n_frames(samples, self.frontend.spec))

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> AudioEncoding:
        batch, frames, bands = features.shape
        if lengths is None:
            lengths = torch.full((batch,), frames, device=features.device)
        count = max(1, (frames + PATCH_FRAMES - _LEAST_FRAMES) // PATCH_FRAMES)
        silence = math.log(self.frontend.spec.floor)
        missing = max(0, count * PATCH_FRAMES - frames)
        x = F.pad(features, (0, 0, 0, missing), value=silence)[:, : count * PATCH_FRAMES]
        positions = torch.arange(count * PATCH_FRAMES, device=features.device)
        x = torch.where((positions < lengths[:, None])[..., None], x, silence)
        maps = self.layers(x.reshape(batch * count, 1, PATCH_FRAMES, bands))
        sequence = maps.mean((2, 3)).reshape(batch, count, -1)
        steps = torch.arange(count, device=features.device)
        mask = (lengths[:, None] >= steps * PATCH_FRAMES + _LEAST_FRAMES) | (steps == 0)
        encoding = AudioEncoding(sequence, mask, masked_mean(sequence, mask))
        if self.classifier is None:
            return encoding
        step_logits = self.classifier(sequence)
        logits = masked_mean(step_logits.sigmoid(), mask).logit(eps=1e-7)
        return replace(encoding, logits=logits, step_logits=step_logits)


class _Convolution(nn.Module):
    """Convolution with TensorFlow's "same" padding, batch norm where there is one, ReLU."""

    def __init__(
        self, channels: int, out: int, kernel: int, stride: int, groups: int, batch_norm: bool
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            channels, out, kernel, stride, groups=groups, bias=not batch_norm
        )
        nn.init.kaiming_normal_(self.convolution.weight, nonlinearity="relu")
        self.norm = nn.BatchNorm2d(out) if batch_norm else nn.Identity()
        # With stride 2 on an even size, only bottom and right are padded.
        self.padding = (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1)
        self.padded = kernel == 3

    def forward(self, x: Tensor) -> Tensor:
        if self.padded:
            x = F.pad(x, self.padding)
        return F.relu(self.norm(self.convolution(x)))


def _public_names() -> list[str]:
    names = ["1_conv"]
    for layer in range(2, len(_CHANNELS) + 2):
        names += [f"{layer}_depthwise", f"{layer}_pointwise"]
    return names
