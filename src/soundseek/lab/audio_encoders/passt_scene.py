"""One vector for a clip of any length, as the public hear21passt makes it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from soundseek.errors import AudioError
from soundseek.lab.audio_encoders.passt import Passt

WINDOW_S = 10.0
HOP_S = 2.5


class Scene(NamedTuple):
    """`embedding` `[batch, width]`; `logits` `[batch, classes]`, None without a classifier."""

    embedding: Tensor
    logits: Tensor | None


def scene_embedding(encoder: Passt, waveforms: Tensor) -> Scene:
    """The scene of waveforms `[batch, samples]` at 32 kHz, all of one length.

    Up to 10 s, the network's own embedding and logits. A longer clip is extended by its reflection
    of 5 s on both sides and cut into windows of 10 s every 2.5 s (what fills no last window is
    left); embedding and logits are the means over the windows, each with a front-end of its own.

    Raises `AudioError` for waveforms of another shape.
    """
    if waveforms.ndim != 2:
        raise AudioError(f"waveforms of shape {tuple(waveforms.shape)}, not [batch, samples]")
    window, hop = round(WINDOW_S * encoder.sample_rate), round(HOP_S * encoder.sample_rate)
    parts = [waveforms]
    if waveforms.shape[1] > window:
        padded = F.pad(waveforms, (window // 2, window // 2), mode="reflect")
        parts = list(padded.unfold(-1, window, hop).unbind(-2))
    encodings = [encoder(encoder.features(part)) for part in parts]
    logits = [encoding.logits for encoding in encodings if encoding.logits is not None]
    return Scene(
        torch.stack([encoding.pooled for encoding in encodings]).mean(0),
        torch.stack(logits).mean(0) if logits else None,
    )
