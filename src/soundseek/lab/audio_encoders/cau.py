"""CAU's audio encoder (Park et al., "CAU Submission to DCASE 2022 Task 6b: Language-Based Audio
Retrieval Using Transfer Learning", section 2.4.1): PANNs' Cnn10, then a GRU.

The report freezes the weights from AudioSet and feeds them the log-mels of the challenge's
baseline: natural logarithms at 44.1 kHz, where PANNs learnt from decibels at 32 kHz. Section 3.1
finds 16 kHz significantly worse. The GRU's size is not given; 150 each way are the baseline's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

from torch import Tensor, nn

from soundseek.audio.frontends import PRESETS, FrontEndSpec
from soundseek.lab.audio_encoders.dcase_frontend import dcase2022_frontend
from soundseek.lab.audio_encoders.options import RemembersOptions
from soundseek.lab.audio_encoders.panns import (
    CNN10_CHANNELS,
    FRONTEND_TABLES,
    PlainNetwork,
    channels_in,
    counted,
    refuse_another_rate,
    rows,
)
from soundseek.lab.audio_encoders.recurrent import through_time
from soundseek.lab.checkpoints import Checkpoint, load_strict
from soundseek.lab.choices import chosen
from soundseek.lab.encodings import AudioEncoding, masked_mean

FRONTENDS: Final[Mapping[str, FrontEndSpec]] = MappingProxyType(
    {**PRESETS, "dcase2022_16k": dcase2022_frontend("dcase2022_16k")}
)
_HIDDEN: Final = 150


class Cnn10Gru(RemembersOptions, nn.Module):
    """Cnn10's blocks → mean over bands → GRU in both directions → mean over time; with the
    baseline's front-end a step every 0.32 s.

    Args:
        frontend: name of a preset, or `dcase2022_16k`, the baseline's at 16 kHz.
        hidden: values of the GRU each way.
        frozen_cnn: the blocks and `bn0` are not trained, and stay in eval mode in training.
        channels: of the four blocks.
        dropout: behind every block, where they are trained.

    Attributes:
        augment: as of `LogMelNetwork`; it is applied before frozen blocks too.

    Raises `RecipeError` for another number of channels or an unknown front-end.
    """

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType({"channels": (4, 8, 8, 16), "hidden": 6})

    augment: Callable[[Tensor], Tensor] | None

    def __init__(
        self,
        *,
        frontend: str = "dcase2022_44k",
        hidden: int = _HIDDEN,
        frozen_cnn: bool = False,
        channels: Sequence[int] = CNN10_CHANNELS,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.cnn = PlainNetwork(
            chosen(FRONTENDS, frontend, "front-end"),
            counted(channels, len(CNN10_CHANNELS), "channels"),
            last_pool=2,
            dropout=dropout,
            head=None,
        )
        self.gru = nn.GRU(channels[-1], hidden, batch_first=True, bidirectional=True)
        self.frontend = self.cnn.frontend
        self.sample_rate = self.cnn.sample_rate
        self.seconds_per_step = self.cnn.seconds_per_step
        self.least_frames = self.cnn.least_frames
        self.width = 2 * hidden
        self.augment = None
        self.frozen_cnn = frozen_cnn
        if frozen_cnn:
            self.cnn.requires_grad_(False)
        self.train()

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, **options: Any) -> Self:
        """The network of its own checkpoint; or with the blocks of PANNs' Cnn10, whose classifier
        is left out, and a GRU that begins with random weights from torch's generator.

        Raises `DataError` naming every key that does not fit.
        """
        own = any(key.startswith("gru.") for key in checkpoint.tensors)
        blocks = checkpoint.under("cnn.").tensors if own else checkpoint.tensors
        sizes: dict[str, Any] = {"channels": channels_in(blocks, CNN10_CHANNELS)}
        if own:
            sizes["hidden"] = rows(checkpoint.tensors, "gru.weight_hh_l0", 3 * _HIDDEN) // 3
        network = cls(**{**sizes, **options})
        refuse_another_rate(network.frontend.spec, blocks, checkpoint)
        load_strict(
            network if own else network.cnn,
            checkpoint.tensors,
            where=checkpoint.path,
            ignored=lambda key: not own and key.startswith((*FRONTEND_TABLES, "fc1.", "fc_audio")),
        )
        return network

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self.frozen_cnn:
            self.cnn.eval()
        return self

    def frames(self, samples: int) -> int:
        """How many frames `samples` of sound give."""
        return self.cnn.frames(samples)

    def features(self, waveforms: Tensor) -> Tensor:
        """Waveforms `[batch, samples]` → log-mel `[batch, frames, 64]`; see `LogMelNetwork`."""
        return self.cnn.features(waveforms)

    def normalise(self, features: Tensor) -> Tensor:
        """`bn0` over every band: `[batch, frames, 64]` → `[batch, 1, frames, 64]`."""
        return self.cnn.normalise(features)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> AudioEncoding:
        """Features `[batch, frames, 64]`, valid frames `[batch]` → encoding.

        In eval mode, an item's encoding does not depend on the padding behind its length. Raises
        as `LogMelNetwork` does.
        """
        x = self.cnn.convolved(features, lengths, self.augment if self.training else None)
        feature_map, mask = x.silenced(), x.mask()
        steps = feature_map.mean(3).transpose(1, 2)
        sequence = through_time(self.gru, steps, x.lengths)
        pooled = masked_mean(sequence, mask)
        return AudioEncoding(sequence, mask, pooled, feature_map=feature_map)
