"""VGGish (Hershey et al. 2017): one vector for each 0.96 s of sound.

The network and the 8-bit quantised PCA are those of the public PyTorch conversion
(harritaylor/torchvggish). The captioning baseline of DCASE 2022, and the CMU report of 2022, take
the vectors before the last ReLU and without the PCA.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.audio.frontends import PRESETS, n_frames
from soundseek.errors import AudioError, DataError, RecipeError
from soundseek.lab.audio_encoders.options import RemembersOptions
from soundseek.lab.checkpoints import Checkpoint, load_strict, read_checkpoint
from soundseek.lab.encodings import AudioEncoding, masked_mean
from soundseek.lab.frontends import FrontEnd

EXAMPLE_FRAMES = 96
_SPEC = PRESETS["vggish_16k"]
_SILENCE = float(np.log(_SPEC.floor))
# Four poolings by two leave this much of 96 frames and 64 bands.
_CELLS = (EXAMPLE_FRAMES // 16) * (_SPEC.bands // 16)
# The convolutions' places in the public network, where it and ours agree on the index.
_CONVOLUTIONS = (0, 3, 6, 8, 11, 13)
_PCA_KEYS = ("pca_eigen_vectors", "pca_means")
_QUANTISED_TO = 2.0


class Vggish(RemembersOptions, nn.Module):
    """Log-mels `[batch, frames, 64]` → `AudioEncoding` of one step for 96 frames.

    * `sequence` `[batch, examples, width]`; frames after the last whole example are dropped;
    * `mask`: the examples that lie within `lengths`; `pooled`: their mean;
    * `embedding` `[batch, examples, width]`: with `pca`, the sequence projected and quantised to
      whole numbers from 0 to 255 (no gradient passes the rounding);
    * `feature_map` `[batch, examples, channels, 6, 4]`: after the last pooling.

    Args:
        last_relu: as published; without it the vectors have negative values too.
        pca: whether to compute `embedding`. It is the identity until the two tables are loaded,
            from the checkpoint or from `pca_checkpoint` (the public `.pth` or `.npz`).
        short: what becomes of a clip of less than 96 frames (0.975 s), for which upstream gives no
            vector: an `AudioError`, or one example filled up with digital silence.
        channels: of the four stages; `hidden`, `width`: of the three last layers.
    """

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"channels": (2, 4, 4, 8), "hidden": 16, "width": 16}
    )
    least_frames = EXAMPLE_FRAMES
    sample_rate = _SPEC.sample_rate
    seconds_per_step = EXAMPLE_FRAMES * _SPEC.hop_samples / _SPEC.sample_rate

    def __init__(
        self,
        *,
        last_relu: bool = True,
        pca: bool = False,
        pca_checkpoint: str | Path | None = None,
        short: Literal["error", "pad"] = "error",
        channels: Sequence[int] = (64, 128, 256, 512),
        hidden: int = 4096,
        width: int = 128,
    ) -> None:
        super().__init__()
        problems = []
        if short not in ("error", "pad"):
            problems.append(f"short is {short!r}, not 'error' or 'pad'")
        if len(channels) != 4:
            problems.append(f"channels is {list(channels)!r}, not those of four stages")
        if pca_checkpoint is not None and not pca:
            problems.append("pca_checkpoint is given, but pca is off")
        if problems:
            raise RecipeError(f"VGGish: {'; '.join(problems)}")
        self.width = width
        self.short = short
        self.frontend = FrontEnd(_SPEC)
        c1, c2, c3, c4 = channels
        self.layers = nn.Sequential(
            *_stage(1, c1), *_stage(c1, c2), *_stage(c2, c3, c3), *_stage(c3, c4, c4)
        )
        self.embeddings = nn.Sequential(
            nn.Linear(_CELLS * c4, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, width),
            *((nn.ReLU(),) if last_relu else ()),
        )
        self.pproc = _Pca(width, pca_checkpoint) if pca else None

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, **options: Any) -> Self:
        """Load the public state dict (`features.*`, `embeddings.*`, perhaps `pproc.*`) or one of
        this class. Sizes are read from the file; `options` override them.

        With `pca`, the tables are `pca_checkpoint`'s or else the file's own. Raises `DataError`
        listing every key that does not fit.
        """
        tensors = {
            "layers." + key.removeprefix("features.") if key.startswith("features.") else key: value
            for key, value in checkpoint.tensors.items()
        }
        encoder = cls(**{**sizes_of(tensors), **options})
        if encoder.pproc is not None and options.get("pca_checkpoint") is not None:
            tensors |= {f"pproc.{key}": value for key, value in encoder.pproc.state_dict().items()}
        if (means := tensors.get("pproc.pca_means")) is not None:
            tensors["pproc.pca_means"] = means.reshape(-1, 1)
        load_strict(
            encoder,
            tensors,
            where=checkpoint.path,
            ignored=lambda key: key.startswith("pproc."),
        )
        return encoder

    def features(self, waveforms: Tensor) -> Tensor:
        """`[batch, samples]` at 16 kHz → log-mels `[batch, frames, 64]`.

        Raises `AudioError` when not one frame (25 ms) is full.
        """
        if waveforms.shape[-1] < _SPEC.window_samples:
            raise AudioError(
                f"waveforms of {waveforms.shape[-1]} samples are too short for VGGish",
                remedy=f"give at least {_SPEC.window_samples} samples at 16 kHz",
            )
        features: Tensor = self.frontend(waveforms)
        return features

    def frames(self, samples: int) -> int:
        """How many frames so many samples give; 0 where there is not one whole frame."""
        return n_frames(samples, _SPEC)

    def examples(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Cut log-mels into `[batch, examples, 96, 64]`, dropping the remainder.

        Raises `AudioError` for a clip of less than one example, unless `short` is `pad`.
        """
        if features.ndim != 3 or features.shape[2] != _SPEC.bands:
            raise AudioError(
                f"features of shape {tuple(features.shape)}, not [batch, frames, {_SPEC.bands}]"
            )
        frames = features.shape[1]
        shortest = frames
        # A graph that is being exported cannot look at lengths.
        if lengths is not None and not torch.compiler.is_compiling():
            shortest = min(frames, int(lengths.min()))
        if shortest < EXAMPLE_FRAMES:
            if self.short == "error":
                raise AudioError(
                    f"a clip of {shortest} frames gives VGGish no example of {EXAMPLE_FRAMES}",
                    remedy="give at least 0.975 s of sound, or set short to 'pad'",
                )
            features = _filled_up(features, lengths)
        count = features.shape[1] // EXAMPLE_FRAMES
        whole = features[:, : count * EXAMPLE_FRAMES]
        return whole.reshape(features.shape[0], count, EXAMPLE_FRAMES, _SPEC.bands)

    def maps(self, examples: Tensor) -> Tensor:
        """Examples `[n, 96, 64]` → `[n, channels, 6, 4]`, after the last pooling."""
        maps: Tensor = self.layers(examples.unsqueeze(1))
        return maps

    def vectors(self, maps: Tensor) -> Tensor:
        """`[n, channels, 6, 4]` → `[n, width]`."""
        # Channels last: the network was converted from one with that layout.
        vectors: Tensor = self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))
        return vectors

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> AudioEncoding:
        examples = self.examples(features, lengths)
        batch, count = examples.shape[:2]
        maps = self.maps(examples.flatten(0, 1))
        sequence = self.vectors(maps).reshape(batch, count, self.width)
        steps = torch.arange(count, device=features.device)
        if lengths is None:
            mask = torch.ones(batch, count, dtype=torch.bool, device=features.device)
        else:
            own = (lengths.to(features.device) // EXAMPLE_FRAMES).clamp(min=1)
            mask = steps < own[:, None]
        return AudioEncoding(
            sequence=sequence,
            mask=mask,
            pooled=masked_mean(sequence, mask),
            feature_map=maps.reshape(batch, count, *maps.shape[1:]),
            embedding=None if self.pproc is None else self.pproc(sequence),
        )


class _Pca(nn.Module):
    """Vectors `[..., width]` → projected, clipped to ±2 and quantised to 0 … 255."""

    def __init__(self, width: int, tables: str | Path | None) -> None:
        super().__init__()
        self.register_buffer("pca_eigen_vectors", torch.eye(width))
        self.register_buffer("pca_means", torch.zeros(width, 1))
        if tables is not None:
            load_strict(self, read_pca_tables(Path(tables)), where=tables)

    pca_eigen_vectors: Tensor
    pca_means: Tensor

    def forward(self, vectors: Tensor) -> Tensor:
        projected = (vectors - self.pca_means.mT) @ self.pca_eigen_vectors.mT
        clipped = projected.clamp(-_QUANTISED_TO, _QUANTISED_TO)
        return ((clipped + _QUANTISED_TO) * (255.0 / (2.0 * _QUANTISED_TO))).round()


def _stage(channels: int, *outs: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for out in outs:
        layers += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU()]
        channels = out
    return [*layers, nn.MaxPool2d(2)]


def _filled_up(features: Tensor, lengths: Tensor | None) -> Tensor:
    """Items of less than one example, with silence in the place of what is behind their end."""
    missing = max(0, EXAMPLE_FRAMES - features.shape[1])
    padded = F.pad(features, (0, 0, 0, missing), value=_SILENCE)
    if lengths is None:
        return padded
    steps = torch.arange(padded.shape[1], device=features.device)
    own = lengths.to(features.device)[:, None]
    beyond = (own < EXAMPLE_FRAMES) & (steps >= own)
    return padded.masked_fill(beyond[:, :, None], _SILENCE)


def sizes_of(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The options of a `Vggish` that a state dict of this class tells by its keys and shapes."""
    sizes: dict[str, Any] = {}
    convolutions = [tensors.get(f"layers.{index}.weight") for index in _CONVOLUTIONS]
    if all(weight is not None for weight in convolutions):
        outs = [weight.shape[0] for weight in convolutions if weight is not None]
        sizes["channels"] = (outs[0], outs[1], outs[2], outs[4])
    for name, index in (("hidden", 0), ("width", 4)):
        if (weight := tensors.get(f"embeddings.{index}.weight")) is not None:
            sizes[name] = weight.shape[0]
    return sizes


def read_pca_tables(path: Path) -> dict[str, Tensor]:
    """The two PCA tables, from a file of tensors or of NumPy arrays, as the public ones are."""
    if not path.is_file():
        raise DataError(f"no PCA tables at {path}", remedy="give the path of a downloaded file")
    if path.suffix == ".safetensors":
        document: Any = read_checkpoint(path).tensors
    else:
        try:
            document = _npz(path) if path.suffix == ".npz" else _torch_file(path)
        except (pickle.UnpicklingError, ValueError, KeyError, EOFError, RuntimeError) as error:
            raise DataError(
                f"{path} is damaged, or holds more than tables: {str(error).splitlines()[0]}",
                remedy="download it again",
            ) from error
    if not isinstance(document, Mapping) or not all(key in document for key in _PCA_KEYS):
        raise DataError(f"{path} does not hold {' and '.join(_PCA_KEYS)}")
    eigen_vectors, means = (torch.as_tensor(document[key]).float() for key in _PCA_KEYS)
    return {"pca_eigen_vectors": eigen_vectors, "pca_means": means.reshape(-1, 1)}


def _npz(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def _torch_file(path: Path) -> Any:
    # The public file holds NumPy arrays, which `weights_only` refuses unless their parts are named.
    reconstruct = np.empty(0).__reduce__()[0]
    parts: list[Any] = [
        (reconstruct, "numpy.core.multiarray._reconstruct"),
        (reconstruct, "numpy._core.multiarray._reconstruct"),
        np.ndarray,
        np.dtype,
        *(type(np.dtype(kind)) for kind in ("float32", "float64")),
    ]
    with torch.serialization.safe_globals(parts):
        return torch.load(path, map_location="cpu", weights_only=True)
