"""PANNs' Cnn14_DecisionLevelMax (Kong et al. 2020, and its public code): every step is classified,
and a class is as likely in the clip as in its likeliest step."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.lab.audio_encoders.log_mel_network import linear
from soundseek.lab.audio_encoders.panns import Cnn14
from soundseek.lab.encodings import AudioEncoding

_NEIGHBOURS = 3


class StepClassifier(nn.Module):
    """Sequence → `step_logits`, and `logits`, their maximum over the valid steps.

    A step is heard with its two neighbours: their maximum plus their mean, in which what lies
    beyond either end counts as zero, as in the public code.
    """

    def __init__(self, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = linear(width, width)
        self.fc_audioset = linear(width, classes)
        self.dropout = dropout

    def forward(self, encoding: AudioEncoding) -> AudioEncoding:
        # The sequence has zeros behind the valid steps and nothing below zero: for the maximum
        # they are no neighbours, and for the mean what the padding of the pool would be.
        over_time = encoding.sequence.transpose(1, 2)
        loudest = F.max_pool1d(over_time, _NEIGHBOURS, 1, _NEIGHBOURS // 2)
        x = loudest + F.avg_pool1d(over_time, _NEIGHBOURS, 1, _NEIGHBOURS // 2)
        x = F.dropout(x, self.dropout, self.training).transpose(1, 2)
        hidden = F.dropout(F.relu(self.fc1(x)), self.dropout, self.training)
        step_logits: Tensor = self.fc_audioset(hidden)
        logits = step_logits.masked_fill(~encoding.mask.unsqueeze(-1), -math.inf).amax(1)
        return replace(encoding, logits=logits, step_logits=step_logits)


class Cnn14DecisionLevelMax(Cnn14):
    """Cnn14 whose classifier hears each step of 0.32 s. Its public file has the keys and shapes of
    Cnn14's, and is of another use: the name of the encoder tells them apart, nothing else does.

    `sequence` and `pooled` are those of `Cnn14`; there is no `embedding`.
    """

    HEAD = StepClassifier


def framewise(probabilities: Tensor, frames_per_step: int, frames: int) -> Tensor:
    """Probabilities of steps `[batch, steps, classes]` → of frames `[batch, frames, classes]`: each
    step lasts `frames_per_step` frames, and the last one until the end."""
    steps = torch.arange(frames, device=probabilities.device) // frames_per_step
    return probabilities[:, steps.clamp(max=probabilities.shape[1] - 1)]


__all__ = ["Cnn14DecisionLevelMax", "StepClassifier", "framewise"]
