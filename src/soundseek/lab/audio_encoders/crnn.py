"""The CRNN of the DCASE 2022 task 6B baseline (Xie et al. 2022): five convolutions with 4-norm
pooling, one bidirectional recurrent layer, up-sampled again to the frames that came in.

The LSTM is the variant of the CMU report of 2022, section 6.2.1. No weights of it are public: its
keys here are `lstm.*`, where the baseline's are `gru.*`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.audio.frontends import n_frames
from soundseek.errors import AudioError, RecipeError
from soundseek.lab.audio_encoders.dcase_frontend import dcase2022_frontend
from soundseek.lab.audio_encoders.options import RemembersOptions
from soundseek.lab.audio_encoders.recurrent import through_time
from soundseek.lab.checkpoints import Checkpoint, load_strict
from soundseek.lab.encodings import AudioEncoding, masked_mean
from soundseek.lab.frontends import FrontEnd

Recurrent = Literal["gru", "lstm"]

_RECURRENT: Final = MappingProxyType({"gru": nn.GRU, "lstm": nn.LSTM})
# What pooling leaves of the bands, and of the frames.
_BANDS_PER_CELL = 64
_FRAMES_PER_STEP = 4


class CrnnNetwork(RemembersOptions, nn.Module):
    """Features `[batch, frames, bands]` → `AudioEncoding` of one step a frame.

    * `sequence` `[batch, frames, 2 · hidden]`: the recurrent layer's output, one step for four
      frames, linearly up-sampled;
    * `pooled` `[batch, 2 · hidden]`: its mean over time; `embedding`: that, L2-normalised;
    * `feature_map` `[batch, frames // 4, channels · (bands // 64)]`: what the convolutions give.

    With `lengths`, an item gives what it gives alone, cut to its length. Without, every frame
    counts, padding included, which is what the baseline does.

    `channels`: of the first convolution, and of the four others. Raises `AudioError` for an item
    of less than four frames.
    """

    least_frames = _FRAMES_PER_STEP

    def __init__(
        self,
        *,
        bands: int,
        recurrent: Recurrent,
        hidden: int,
        channels: Sequence[int],
        seconds_per_step: float,
    ) -> None:
        super().__init__()
        problems = []
        if recurrent not in _RECURRENT:
            problems.append(f"recurrent is {recurrent!r}, not one of {', '.join(_RECURRENT)}")
        if bands < _BANDS_PER_CELL:
            problems.append(f"bands is {bands}; pooling needs at least {_BANDS_PER_CELL}")
        if len(channels) != 2:
            problems.append(f"channels is {list(channels)!r}, not [first, others]")
        if problems:
            raise RecipeError(f"CRNN: {'; '.join(problems)}")
        self.bands = bands
        self.recurrent = recurrent
        self.width = 2 * hidden
        self.seconds_per_step = seconds_per_step
        self.cnn = _Convolutions(*channels)
        self.add_module(
            recurrent,
            _RECURRENT[recurrent](
                channels[1] * (bands // _BANDS_PER_CELL),
                hidden,
                batch_first=True,
                bidirectional=True,
            ),
        )

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> AudioEncoding:
        self._check(features, lengths)
        frames = features.shape[1]
        lengths = None if lengths is None else lengths.to(features.device)
        maps, steps = self.cnn(features.unsqueeze(1), lengths)
        maps = maps.transpose(1, 2).flatten(2)
        layer = cast("nn.GRU | nn.LSTM", self.get_submodule(self.recurrent))
        coarse = through_time(layer, maps, steps)
        if lengths is None or steps is None:
            sequence = F.interpolate(coarse.mT, frames, mode="linear").mT
            mask = torch.ones(sequence.shape[:2], dtype=torch.bool, device=sequence.device)
            pooled = sequence.mean(1)
        else:
            sequence = _up_sampled(coarse, steps, lengths, frames)
            mask = torch.arange(frames, device=lengths.device) < lengths[:, None]
            pooled = masked_mean(sequence, mask)
        return AudioEncoding(
            sequence=sequence,
            mask=mask,
            pooled=pooled,
            feature_map=maps,
            embedding=F.normalize(pooled, dim=-1),
        )

    def _check(self, features: Tensor, lengths: Tensor | None) -> None:
        if features.ndim != 3 or features.shape[2] != self.bands:
            raise AudioError(
                f"features of shape {tuple(features.shape)}, not [batch, frames, {self.bands}]"
            )
        frames = features.shape[1]
        if torch.compiler.is_compiling():  # a graph that is being exported cannot look at lengths
            lengths = None
        shortest = frames if lengths is None else int(lengths.min())
        if min(shortest, frames) < self.least_frames:
            raise AudioError(
                f"a clip of {min(shortest, frames)} steps is too short for the CRNN, "
                "which pools four into one",
                remedy=f"give at least {self.least_frames} steps"
                f" ({self.least_frames * self.seconds_per_step:.2f} s): repeat or pad the clip",
            )
        if lengths is not None and int(lengths.max()) > frames:
            raise AudioError(f"a length of {int(lengths.max())} in features of {frames} steps")


class Crnn(CrnnNetwork):
    """The baseline's audio encoder: log-mels of 20 ms a frame → 300 values a frame.

    Shapes as in `CrnnNetwork`. `frontend`: `dcase2022_44k` (the baseline's) or `dcase2022_16k`.
    """

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType({"channels": (4, 8), "hidden": 8})

    def __init__(
        self,
        *,
        bands: int = 64,
        recurrent: Recurrent = "gru",
        hidden: int = 150,
        channels: Sequence[int] = (32, 128),
        frontend: str = "dcase2022_44k",
    ) -> None:
        spec = dcase2022_frontend(frontend)
        if bands != spec.bands:
            raise RecipeError(
                f"CRNN: bands is {bands}, but {frontend} gives {spec.bands}",
                remedy=f"leave bands at {spec.bands}",
            )
        super().__init__(
            bands=bands,
            recurrent=recurrent,
            hidden=hidden,
            channels=channels,
            seconds_per_step=spec.hop_samples / spec.sample_rate,
        )
        self.sample_rate = spec.sample_rate
        self.frontend = FrontEnd(spec)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, **options: Any) -> Self:
        """Load the baseline's file (a pair of states whose first has `audio_enc.*`, beside the
        text encoder's keys, which are left out) or a bare state dict of this class.

        Sizes and the kind of recurrent layer are read from the file; `options` override them.
        Raises `DataError` listing every key that does not fit.
        """
        audio = checkpoint.under("audio_enc.")
        tensors = audio.tensors or checkpoint.tensors
        encoder = cls(**{**sizes_of(tensors), **options})
        load_strict(encoder, tensors, where=checkpoint.path)
        return encoder

    def features(self, waveforms: Tensor) -> Tensor:
        """`[batch, samples]` at `sample_rate` → log-mels `[batch, frames, 64]`."""
        features: Tensor = self.frontend(waveforms)
        return features

    def frames(self, samples: int) -> int:
        """How many frames so many samples give."""
        return n_frames(samples, self.frontend.spec)


def sizes_of(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The options of a `CrnnNetwork` that a state dict tells by its keys and shapes."""
    sizes: dict[str, Any] = {}
    first, other = (tensors.get(f"cnn.features.{index}.weight") for index in (1, 5))
    if first is not None and other is not None:
        sizes["channels"] = (first.shape[0], other.shape[0])
    for recurrent in _RECURRENT:
        if (weight := tensors.get(f"{recurrent}.weight_hh_l0")) is not None:
            sizes |= {"recurrent": recurrent, "hidden": weight.shape[1]}
    return sizes


class _Convolutions(nn.Module):
    """Maps `[batch, 1, frames, bands]` → `[batch, channels, frames // 4, bands // 64]`, and how
    many of these steps are each item's own."""

    def __init__(self, first: int, others: int) -> None:
        super().__init__()
        # The order, normalisation before each convolution, is the public code's: the indices are
        # part of its keys.
        self.features = nn.Sequential(
            *_convolution(1, first),
            _FourNormPool(2, 4),
            *_convolution(first, others),
            *_convolution(others, others),
            _FourNormPool(2, 4),
            *_convolution(others, others),
            *_convolution(others, others),
            _FourNormPool(1, 4),
            nn.Dropout(0.3),
        )

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        for layer in self.features:
            # Alone, an item ends in the convolution's zeros; normalised padding is not zero.
            if lengths is not None and isinstance(layer, nn.Conv2d):
                steps = torch.arange(x.shape[2], device=x.device)
                beyond = steps >= lengths[:, None]
                x = x.masked_fill(beyond[:, None, :, None], 0.0)
            x = layer(x)
            if lengths is not None and isinstance(layer, _FourNormPool):
                lengths = lengths // layer.kernel[0]
        return x, lengths


def _convolution(channels: int, out: int) -> tuple[nn.Module, ...]:
    return (
        nn.BatchNorm2d(channels),
        nn.Conv2d(channels, out, 3, padding=1, bias=False),
        nn.LeakyReLU(0.1),
    )


class _FourNormPool(nn.Module):
    """The 4-norm of each window (a sum, not a mean), as `nn.LPPool2d` gives it.

    That one's gradient is NaN where a window is all zeros; here it is zero.
    """

    def __init__(self, frames: int, bands: int) -> None:
        super().__init__()
        self.kernel = (frames, bands)

    def forward(self, x: Tensor) -> Tensor:
        cells = self.kernel[0] * self.kernel[1]
        power = F.avg_pool2d(x.square().square(), self.kernel) * cells
        sounding = power > 0
        return torch.where(sounding, power, 1.0).pow(0.25) * sounding


def _up_sampled(coarse: Tensor, steps: Tensor, lengths: Tensor, frames: int) -> Tensor:
    """Each item's own `steps` to its own `lengths`, in a batch padded to `frames`: linear, as
    `F.interpolate` without aligned corners."""
    last = (steps - 1)[:, None]
    scale = steps.to(coarse.dtype) / lengths.to(coarse.dtype)
    centres = torch.arange(frames, device=coarse.device, dtype=coarse.dtype) + 0.5
    position = (centres * scale[:, None] - 0.5).clamp(min=0.0)
    below = position.floor().long().minimum(last)
    above = (below + 1).minimum(last)
    share = (position - below).unsqueeze(-1)
    low, high = (
        coarse.gather(1, index.unsqueeze(-1).expand(-1, -1, coarse.shape[2]))
        for index in (below, above)
    )
    return low * (1.0 - share) + high * share
