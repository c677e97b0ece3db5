"""What a checkpoint is: told from its tensors, never from its name."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from soundseek.errors import DataError
from soundseek.lab.audio_encoders.fingerprints import FINGERPRINTS, Fingerprint
from soundseek.lab.audio_encoders.vggish import read_pca_tables
from soundseek.lab.checkpoints import Checkpoint, read_checkpoint

_KEYS_SHOWN = 8
# State that is no parameter: statistics of batch normalisation, tables of a front-end.
_STATE = re.compile(
    r".*(running_mean|running_var|num_batches_tracked)|(.+\.)?(spectrogram|logmel)_extractor\..+"
)
# What torch raises on a damaged file, besides what the reader of the tables translates.
_UNREADABLE = (DataError, AssertionError, LookupError, OSError, TypeError, struct.error)
_UNKNOWN = Fingerprint("unknown", None, MappingProxyType({}), belongs=".*")


@dataclass(frozen=True)
class Inspection:
    """A checkpoint described.

    Attributes:
        path: of the file.
        kind: in words; `unknown` where no fingerprint fits.
        architecture: name of the audio encoder that loads it; None where none does.
        wrapper: key that its tensors stand under in the file, `[0]` in a tuple; empty for none.
        tensors: how many there are.
        parameters: how many numbers they hold, without statistics and front-end tables.
        sizes: what tells this network from others of its kind; None = not in the file.
        keys: the first few keys.
        warnings: what one should know before using it.
    """

    path: Path
    kind: str
    architecture: str | None
    wrapper: str
    tensors: int
    parameters: int
    sizes: Mapping[str, Any]
    keys: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Every field under its name, ready for JSON."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "architecture": self.architecture,
            "wrapper": self.wrapper,
            "tensors": self.tensors,
            "parameters": self.parameters,
            "sizes": {
                name: list(size) if isinstance(size, tuple) else size
                for name, size in self.sizes.items()
            },
            "keys": list(self.keys),
            "warnings": list(self.warnings),
        }


def inspect_checkpoint(path: str | Path) -> Inspection:
    """Describe the checkpoint at `path`.

    Raises `DataError` when the file is missing, truncated, would execute code when read, or holds
    no tensors.
    """
    checkpoint = _read(Path(path))
    tensors = checkpoint.tensors
    prints = (fingerprint(tensors, checkpoint.config) for fingerprint in FINGERPRINTS)
    found = next((one for one in prints if one is not None), _UNKNOWN)
    return Inspection(
        path=checkpoint.path,
        kind=found.kind,
        architecture=found.architecture,
        wrapper=checkpoint.wrapper,
        tensors=len(tensors),
        parameters=_parameters(tensors),
        sizes=MappingProxyType(dict(found.sizes)),
        keys=tuple(tensors)[:_KEYS_SHOWN],
        warnings=(*found.warnings, *_oddities(tensors, found.belongs)),
    )


def _read(path: Path) -> Checkpoint:
    try:
        return read_checkpoint(path)
    except DataError as error:
        # VGGish's public PCA file holds NumPy arrays, which a checkpoint must not.
        try:
            return Checkpoint(path, read_pca_tables(path))
        except _UNREADABLE:
            raise error from None


def _parameters(tensors: Mapping[str, Tensor]) -> int:
    # A tensor that several keys share counts once.
    own = {
        (value.untyped_storage().data_ptr(), value.storage_offset(), value.shape): value.numel()
        for key, value in tensors.items()
        if value.is_floating_point() and not _STATE.fullmatch(key)
    }
    return sum(own.values())


def _oddities(tensors: Mapping[str, Tensor], belongs: str) -> list[str]:
    warnings = []
    if foreign := [key for key in tensors if not re.fullmatch(belongs, key)]:
        warnings.append(f"{len(foreign)} keys are not of this kind: {_listed(foreign)}")
    floating = {key: value for key, value in tensors.items() if value.is_floating_point()}
    if other := [key for key, value in floating.items() if value.dtype != torch.float32]:
        kinds = sorted({str(floating[key].dtype).removeprefix("torch.") for key in other})
        warnings.append(f"{len(other)} tensors are {', '.join(kinds)}: {_listed(other)}")
    if broken := [key for key, value in floating.items() if not value.float().isfinite().all()]:
        warnings.append(f"{len(broken)} tensors hold NaN or infinity: {_listed(broken)}")
    return warnings


def _listed(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (", …" if len(keys) > 3 else "")
