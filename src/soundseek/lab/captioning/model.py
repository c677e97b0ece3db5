"""The captioning model: what hears, and what writes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from soundseek.lab.captioning.captioner import Captioner
from soundseek.lab.captioning.hearing import in_a_row
from soundseek.lab.retrieval.towers import AudioTower


class CaptioningModel(nn.Module):
    """The tower that hears and the captioner that writes; a frozen tower stays in eval mode.

    Attributes:
        audio: waveforms → encoding; its projection is none.
        captioner: what it hears → captions.
    """

    def __init__(self, audio: AudioTower, captioner: Captioner) -> None:
        super().__init__()
        self.audio = audio
        self.captioner = captioner

    @property
    def device(self) -> torch.device:
        return next(self.captioner.parameters()).device

    def hear(self, waveforms: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Waveforms `[batch, longest]` and their lengths in samples → the encoder's steps in a row
        `[batch, steps, width]` and their mask, without events."""
        encoding = self.audio.encode(*self.audio.features(waveforms, samples))
        return in_a_row(encoding.sequence, encoding.mask)
