"""A model bundle as an audio encoder: one step of sound a window, and it does not learn.

What reads these steps can later read them out of a library, which keeps the same vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from soundseek.bundle.load import load_bundle
from soundseek.errors import BundleError, DataError
from soundseek.lab.checkpoints import Checkpoint
from soundseek.lab.encodings import AudioEncoding


class BundledModel(nn.Module):
    """Waveforms `[batch, samples, 1]` → `AudioEncoding` of one L2-normalised vector a window, as
    `Bundle.encode_audio` gives them; `pooled` is the clip's.

    Args:
        model: the name or the folder of a bundle; None: the embedded one.
        fingerprint: what the bundle's must be, where that is known; None: any.
    """

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType({"model": None})
    least_frames = 1

    def __init__(self, *, model: str | None = None, fingerprint: str | None = None) -> None:
        """Raises `BundleError` where there is no such bundle, or it is another than it was."""
        super().__init__()
        self.bundle = load_bundle(model, threads=torch.get_num_threads())
        if fingerprint not in (None, self.bundle.fingerprint):
            raise BundleError(
                f"the model {self.bundle.name} in {self.bundle.folder} is not the one that this "
                "run learnt with",
                remedy="put that one back, or train again",
            )
        self._model = model
        self.sample_rate = self.bundle.sample_rate
        self.width = self.bundle.dimension
        self.seconds_per_step = self.bundle.hop_s

    @classmethod
    def from_path(cls, path: str | Path, **options: Any) -> Self:
        """The bundle of a name or a folder."""
        return cls(**{**options, "model": str(path)})

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, **options: Any) -> Self:
        """Raises `DataError`: a bundle is no file of weights."""
        raise DataError(
            f"{checkpoint.path} is a file of weights", remedy="name a bundle, or its folder"
        )

    def resources(self) -> dict[str, Any]:
        """Options that open the same bundle again."""
        return {"model": self._model, "fingerprint": self.bundle.fingerprint}

    def features(self, waveforms: Tensor) -> Tensor:
        """Waveforms `[batch, samples]` as they are, `[batch, samples, 1]`: a bundle has its own
        front-end."""
        return waveforms[..., None]

    def frames(self, samples: int) -> int:
        """A frame is a sample."""
        return samples

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> AudioEncoding:
        waveforms = features[..., 0].detach().cpu().numpy()
        ends = [features.shape[1]] * len(features) if lengths is None else lengths.tolist()
        sequences, pooled = [], []
        for waveform, end in zip(waveforms, ends, strict=True):
            heard = self.bundle.encode_blocks([waveform[:end]])
            sequences.append(torch.from_numpy(heard.vectors))
            whole = self.bundle.pool_windows(heard.vectors, heard.valid_samples)
            pooled.append(torch.from_numpy(whole))
        counts = torch.tensor([len(one) for one in sequences])
        sequence = nn.utils.rnn.pad_sequence(sequences, batch_first=True)
        mask = torch.arange(sequence.shape[1]) < counts[:, None]
        device = features.device
        return AudioEncoding(sequence.to(device), mask.to(device), torch.stack(pooled).to(device))
