"""Waveforms of a batch: padded to one length, so that the padding changes nothing.

A front-end that pads by reflection would, in a batch, see the silence behind a shorter sound where
alone it saw the sound's own end reflected. So that is put there first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from soundseek.audio.spec import FrontEndSpec
from soundseek.lab.audio_encoders import AudioEncoderModule

_Floats = NDArray[np.float32]


def front_end(encoder: AudioEncoderModule) -> FrontEndSpec | None:
    """The front-end of an encoder that has a plain one."""
    return getattr(getattr(encoder, "frontend", None), "spec", None)


def padded(waveforms: Sequence[_Floats]) -> tuple[Tensor, Tensor]:
    """float32 `[batch, longest]`, silence behind the shorter ones, and the samples of each, int64
    `[batch]`."""
    batch = np.zeros((len(waveforms), max(map(len, waveforms))), np.float32)
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = waveform
    return torch.from_numpy(batch), torch.tensor([len(waveform) for waveform in waveforms])


def reflected(rows: Tensor, lengths: Tensor, spec: FrontEndSpec | None) -> Tensor:
    """Sounds `[batch, longest]` of `lengths` `[batch]` samples, and behind each what the front-end
    `spec` would put there if it came alone.

    Where that is its reflection, the result is half a transform longer, also behind the longest:
    a sound that ends a little before it needs the room. Frames beyond those of `longest` samples
    are of no meaning. Rows that are all full, and front-ends that pad with silence or not at all,
    stay as they are.
    """
    if spec is None or spec.padding != "reflect" or bool((lengths == rows.shape[1]).all()):
        return rows
    half = spec.fft_size // 2
    ends = lengths[:, None]
    steps = torch.arange(half, device=rows.device)
    if spec.pre_emphasis == "clip":
        tail = _before_pre_emphasis(rows, ends, steps, spec.pre_emphasis_coefficient)
    else:
        tail = _at(rows, ends - 2 - steps)
    return F.pad(rows, (0, half)).scatter(1, ends + steps, tail)


def _before_pre_emphasis(rows: Tensor, ends: Tensor, steps: Tensor, c: float) -> Tensor:
    """What must follow a sound so that, after y[i] = x[i + 1] − c·x[i], y is reflected."""
    x = rows.double()
    wanted = _at(x, ends - 2 - steps) - c * _at(x, ends - 3 - steps)
    wanted = wanted.masked_fill(ends - 3 - steps < 0, 0.0)
    before = _at(x, ends - 1)[:, 0]
    tail = []
    for value in wanted.unbind(1):
        before = value + c * before
        tail.append(before)
    return torch.stack(tail, dim=1).to(rows)


def _at(rows: Tensor, places: Tensor) -> Tensor:
    """`rows[i, places[i, k]]`; 0 before the beginning."""
    return rows.gather(1, places.clamp(min=0)).masked_fill(places < 0, 0.0)
