"""Foreign checkpoints: read without running what is in them, and load strictly.

A checkpoint is a file of PyTorch (`weights_only`, so that a pickle which would execute code is
refused) or of safetensors. What it wraps its tensors in is told by `wrapper`; what else it carries
that describes the network (BEATs' `cfg`) is in `config`.
"""

from __future__ import annotations

import pickle
import re
import struct
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from soundseek.errors import DataError

# Where public checkpoints keep their tensors, in the order in which they are tried.
_WRAPPERS = ("model", "state_dict", "model_state_dict", "net")
_MOST_NAMED = 12
# What torch's readers raise on damaged files, as thousands of them showed.
_DAMAGE = (
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    struct.error,
)
_FORBIDDEN = re.compile(r"GLOBAL ([\w.]+)")


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by key, as the file has them, and where they stood in it."""

    path: Path
    tensors: Mapping[str, Tensor]
    wrapper: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)

    def under(self, prefix: str) -> Checkpoint:
        """The tensors below `prefix`, which is cut off."""
        below = {
            key.removeprefix(prefix): value
            for key, value in self.tensors.items()
            if key.startswith(prefix)
        }
        return Checkpoint(self.path, below, self.wrapper, self.config)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of any known layout on the CPU.

    Raises `DataError` when the file is missing, truncated, would execute code when read, or holds
    no tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"no checkpoint at {path}", remedy="give the path of a downloaded file")
    document = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    config: Mapping[str, Any] = {}
    wrapper = ""
    if isinstance(document, tuple | list) and document:
        document, wrapper = document[0], "[0]"
    if isinstance(document, Mapping):
        described = document.get("cfg")
        config = described if isinstance(described, Mapping) else {}
        for key in _WRAPPERS:
            if isinstance(document.get(key), Mapping):
                document, wrapper = document[key], key
                break
    tensors = (
        {str(key): value for key, value in document.items() if isinstance(value, Tensor)}
        if isinstance(document, Mapping)
        else {}
    )
    if not tensors:
        raise DataError(
            f"{path} holds no tensors by name",
            remedy="give a checkpoint saved as a state dict, bare or under "
            + ", ".join(map(repr, _WRAPPERS)),
        )
    return Checkpoint(path, tensors, wrapper, config)


def load_strict(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    *,
    where: str | Path,
    ignored: Callable[[str], bool] = lambda key: False,
) -> None:
    """Load every tensor into `module`, or raise `DataError` listing all that does not fit.

    `ignored` names the keys of the file that may be there or not (front-end tables).
    """
    wanted = module.state_dict()
    given = {key: value for key, value in tensors.items() if key in wanted or not ignored(key)}
    missing = [key for key in wanted if key not in given]
    unexpected = [key for key in given if key not in wanted]
    unlike = [
        f"{key} {tuple(given[key].shape)} for {tuple(wanted[key].shape)}"
        for key in wanted
        if key in given and given[key].shape != wanted[key].shape
    ]
    problems = [
        f"{len(keys)} {what}: {_listed(keys)}"
        for what, keys in (
            ("keys are missing", missing),
            ("keys are unexpected", unexpected),
            ("shapes differ", unlike),
        )
        if keys
    ]
    if problems:
        raise DataError(
            f"{where} does not fit {type(module).__name__}:"
            + "".join(f"\n  - {problem}" for problem in problems),
            remedy="`soundseek models inspect FILE` says what a checkpoint is",
        )
    module.load_state_dict(given)


def _listed(keys: Sequence[str]) -> str:
    shown = ", ".join(keys[:_MOST_NAMED])
    return shown + (f" and {len(keys) - _MOST_NAMED} more" if len(keys) > _MOST_NAMED else "")


def _safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise DataError(f"{path} cannot be read: {error}", remedy="download it again") from error


def _pickled(path: Path) -> Any:
    with warnings.catch_warnings():
        # torch warns of pickle protocols that it reads all the same.
        warnings.simplefilter("ignore")
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise _refusal(path, error) from error
        except _DAMAGE as error:
            reason = str(error).splitlines()[0] if str(error) else repr(error)
            raise DataError(
                f"{path} is no complete checkpoint: {reason}",
                remedy="download it again; it may be truncated",
            ) from error


def _refusal(path: Path, error: pickle.UnpicklingError) -> DataError:
    """torch raises the same for a damaged stream and for a forbidden object."""
    what = _FORBIDDEN.search(str(error))
    if what is None:
        return DataError(
            f"{path} is damaged, or no file of PyTorch", remedy="download it again, or convert it"
        )
    return DataError(
        f"{path} holds more than tensors and plain values, and could execute code: "
        f"it names {what.group(1)}",
        remedy="get it as safetensors, or save its state dict alone where you trust it",
    )
