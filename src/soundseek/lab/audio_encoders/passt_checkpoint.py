"""What a PaSST checkpoint says about its network, by the shapes of its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from soundseek.audio.frontends import PRESETS
from soundseek.errors import DataError
from soundseek.lab.checkpoints import Checkpoint

_PATCH = 16
# Of the networks that were published: a position table fits more than one stride.
_STRIDES = (10, 12, 14, 16, 20)
_HEAD_WIDTH = 64
_WRAPPED = "net."
_PROXY = "device_proxy"  # a parameter by which the public wrapper knows its device


def network_tensors(checkpoint: Checkpoint, *, keep_head: bool) -> dict[str, Tensor]:
    """The tensors under the names of the bare network; those of its classifiers only if
    `keep_head`."""
    tensors = {
        key.removeprefix(_WRAPPED): value
        for key, value in checkpoint.tensors.items()
        if key != _PROXY
    }
    if keep_head:
        return tensors
    return {
        key: value for key, value in tensors.items() if not key.startswith(("head.", "head_dist."))
    }


def sizes_of(
    tensors: Mapping[str, Tensor], where: Path, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Options of `Passt` that fit the tensors; `options` says which are given already.

    Raises `DataError` when this is no PaSST, or its stride or heads have to be told.
    """
    width = _shape(tensors, "cls_token", where)[-1]
    rows = _shape(tensors, "freq_new_pos_embed", where)[2]
    columns = _shape(tensors, "time_new_pos_embed", where)[3]
    stride = options.get("stride") or _stride(rows, where)
    frames_apart = stride if isinstance(stride, int) else stride[-1]
    blocks = {key.split(".")[1] for key in tensors if key.startswith("blocks.")}
    sizes = {
        "embed_dim": width,
        "depth": len(blocks),
        "mlp_ratio": _shape(tensors, "blocks.0.mlp.fc1.weight", where)[0] / width,
        "stride": stride,
        "input_frames": (columns - 1) * frames_apart + _PATCH,
        "classes": len(tensors["head.1.bias"]) if "head.1.bias" in tensors else None,
    }
    if "heads" not in options:
        if width % _HEAD_WIDTH:
            raise DataError(
                f"{where}: {width} wide tokens are no whole number of heads {_HEAD_WIDTH} wide",
                remedy="give the option `heads`",
            )
        sizes["heads"] = width // _HEAD_WIDTH
    return sizes


def _shape(tensors: Mapping[str, Tensor], key: str, where: Path) -> tuple[int, ...]:
    if key not in tensors:
        raise DataError(
            f"{where} is no PaSST: it has no {key}",
            remedy="give a checkpoint as published: the state of the network, bare or under `net.`",
        )
    return tuple(tensors[key].shape)


def _stride(rows: int, where: Path) -> int:
    bands = PRESETS["passt_32k"].bands
    for stride in _STRIDES:
        if (bands - _PATCH) // stride + 1 == rows:
            return stride
    raise DataError(
        f"{where}: {rows} rows of patches fit no published stride",
        remedy="give the option `stride`",
    )
