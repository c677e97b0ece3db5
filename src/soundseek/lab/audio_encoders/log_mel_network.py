"""What the convolutional networks on log-mels share (Kong et al. 2020, PANNs, sections II and III):
normalisation of every band, blocks of two convolutions, and pooling that lengths pass through."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.audio.frontends import PRESETS, FrontEndSpec, least_samples, n_frames
from soundseek.errors import AudioError, DataError
from soundseek.lab.audio_encoders.options import RemembersOptions
from soundseek.lab.choices import chosen
from soundseek.lab.encodings import AudioEncoding, masked_mean
from soundseek.lab.frontends import FrontEnd


class Map(NamedTuple):
    """A map `[batch, channels, time, bands]` and how many of its time steps are valid in each
    item, `[batch]` (None: all)."""

    values: Tensor
    lengths: Tensor | None

    def silenced(self) -> Tensor:
        """The map with zeros behind the valid steps: what a convolution's own padding puts there,
        so that an item cannot tell whether others in the batch are longer."""
        if self.lengths is None:
            return self.values
        return self.values.masked_fill(~self.mask()[:, None, :, None], 0.0)

    def mask(self) -> Tensor:
        """Bool `[batch, time]`, True = valid."""
        batch, _, steps, _ = self.values.shape
        if self.lengths is None:
            return torch.ones(batch, steps, dtype=torch.bool, device=self.values.device)
        positions = torch.arange(steps, device=self.values.device)
        return positions[None, :] < self.lengths[:, None]

    def dropped(self, probability: float, training: bool) -> Map:
        return Map(F.dropout(self.values, probability, training), self.lengths)


def average_pooled(x: Map, size: int = 2) -> Map:
    """Means of `size` × `size` cells; a remainder is dropped, as `avg_pool2d` does."""
    lengths = None if x.lengths is None else x.lengths // size
    return Map(F.avg_pool2d(x.values, size), lengths)


class ConvBlock(nn.Module):
    """(3 × 3 convolution, batch normalisation, ReLU) twice, then average pooling."""

    def __init__(self, channels: int, out: int, *, pool: int = 2) -> None:
        super().__init__()
        self.conv1 = convolution(channels, out)
        self.conv2 = convolution(out, out)
        self.bn1 = nn.BatchNorm2d(out)
        self.bn2 = nn.BatchNorm2d(out)
        self.pool = pool

    def forward(self, x: Map) -> Map:
        y = F.relu(self.bn1(self.conv1(x.silenced())))
        y = F.relu(self.bn2(self.conv2(Map(y, x.lengths).silenced())))
        # A pool of 1 does nothing.
        return average_pooled(Map(y, x.lengths), self.pool) if self.pool > 1 else Map(y, x.lengths)


def convolution(channels: int, out: int, kernel: int = 3) -> nn.Conv2d:
    """A convolution that keeps the size, without bias, initialised as upstream does."""
    layer = nn.Conv2d(channels, out, kernel, padding=kernel // 2, bias=False)
    nn.init.xavier_uniform_(layer.weight)
    return layer


def linear(width: int, out: int) -> nn.Linear:
    """A fully connected layer, initialised as upstream does."""
    layer = nn.Linear(width, out)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def maximum_and_mean(sequence: Tensor, mask: Tensor) -> Tensor:
    """Maximum over the valid steps plus their mean: `[batch, steps, width]` → `[batch, width]`."""
    loudest = sequence.masked_fill(~mask.unsqueeze(-1), -math.inf).amax(1)
    return loudest + masked_mean(sequence, mask)


def frontend_named(name: str) -> FrontEndSpec:
    """The preset called `name`. Raises `RecipeError` with the choices for an unknown one."""
    return chosen(PRESETS, name, "front-end")


class LogMelNetwork(RemembersOptions, nn.Module):
    """Log-mel → `bn0` → `body` → mean over bands → maximum plus mean over time → `head`.

    A subclass lays the layers of `body`; `reduction` is how many frames it makes one step of.

    Attributes:
        head: what else becomes of an encoding (a classifier, a projection); None for nothing.
        augment: a spectrogram augmentation, map `[batch, 1, time, bands]` → the same shape, applied
            behind `bn0` and in training only; None for none.
        least_frames: below this many, pooling would leave no step.
    """

    TINY: ClassVar[Mapping[str, Any]]

    augment: Callable[[Tensor], Tensor] | None

    def __init__(
        self, spec: FrontEndSpec, *, reduction: int, width: int, head: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.frontend = FrontEnd(spec)
        self.sample_rate = spec.sample_rate
        self.width = width
        self.seconds_per_step = reduction * spec.hop_samples / spec.sample_rate
        self.least_frames = reduction
        self.augment = None
        self.bn0 = nn.BatchNorm2d(spec.bands)
        self.head = head

    def body(self, x: Map) -> Map:
        """Everything between `bn0` and the pooling, in the class at hand."""
        raise NotImplementedError

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> AudioEncoding:
        """Features `[batch, frames, bands]`, valid frames `[batch]` → encoding.

        In eval mode, an item's encoding does not depend on the padding behind its length; in
        training, the statistics of batch normalisation take it in.

        Raises `AudioError` for items below `least_frames`, `DataError` for lengths that do not fit
        the features. A graph that is being exported cannot raise: there a shorter item counts as
        `least_frames` long, with the padding behind it.
        """
        x = self.convolved(features, lengths, self.augment if self.training else None)
        feature_map, mask = x.silenced(), x.mask()
        sequence = feature_map.mean(3).transpose(1, 2)
        pooled = maximum_and_mean(sequence, mask)
        encoding = AudioEncoding(sequence, mask, pooled, feature_map=feature_map)
        if self.head is None:
            return encoding
        completed: AudioEncoding = self.head(encoding)
        return completed

    def frames(self, samples: int) -> int:
        """How many frames `samples` of sound give."""
        return n_frames(samples, self.frontend.spec)

    def features(self, waveforms: Tensor) -> Tensor:
        """Waveforms float32 `[batch, samples]` (or one `[samples]`), full scale ±1 → features
        `[batch, frames, bands]` of the front-end, before `bn0`.

        Raises `AudioError` for sound of fewer than `least_frames` frames.
        """
        if waveforms.ndim == 1:
            waveforms = waveforms.unsqueeze(0)
        # Checked first: torch cannot pad so little sound by reflection.
        if (frames := self.frames(waveforms.shape[-1])) < self.least_frames:
            raise self._too_short(frames)
        features: Tensor = self.frontend(waveforms)
        return features

    def normalise(self, features: Tensor) -> Tensor:
        """`bn0` over every band: `[batch, frames, bands]` → `[batch, 1, frames, bands]`."""
        normalised: Tensor = self.bn0(features.transpose(1, 2).unsqueeze(-1))
        return normalised.permute(0, 3, 2, 1)

    def convolved(
        self,
        features: Tensor,
        lengths: Tensor | None,
        augment: Callable[[Tensor], Tensor] | None = None,
    ) -> Map:
        """What comes out of `body`, with `augment` behind `bn0`. Raises as `forward` does."""
        if features.shape[1] < self.least_frames:
            raise self._too_short(features.shape[1])
        if lengths is not None:
            self._check(lengths, features)
            lengths = lengths.clamp(min=self.least_frames)
        x = self.normalise(features)
        return self.body(Map(x if augment is None else augment(x), lengths))

    def _check(self, lengths: Tensor, features: Tensor) -> None:
        if torch.compiler.is_compiling():
            return
        if lengths.shape != features.shape[:1] or int(lengths.max()) > features.shape[1]:
            raise DataError(
                f"lengths {lengths.tolist()} for features of shape {tuple(features.shape)}",
                remedy="give the number of valid frames of each item, at most all of them",
            )
        if int(lengths.min()) < self.least_frames:
            raise self._too_short(int(lengths.min()))

    def _too_short(self, frames: int) -> AudioError:
        spec = self.frontend.spec
        samples = (self.least_frames - 1) * spec.hop_samples
        samples += spec.window_samples if spec.padding == "none" else 0
        least_s = max(samples, least_samples(spec)) / spec.sample_rate
        return AudioError(
            f"sound of {frames} frames is too short: this encoder pools {self.least_frames} into "
            "one step",
            remedy=f"give at least {least_s:.2f} s of sound; pad shorter clips with silence",
        )
