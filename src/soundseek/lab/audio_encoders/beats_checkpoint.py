"""What a BEATs checkpoint says about its network, in its `cfg`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor

from soundseek.errors import DataError
from soundseek.lab.checkpoints import Checkpoint

# What the public code takes for a key that the cfg does not have: not what the published
# checkpoints were made with.
_DEFAULTS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "embed_dim": 512,
        "conv_bias": False,
        "encoder_layers": 12,
        "encoder_embed_dim": 768,
        "encoder_ffn_embed_dim": 3072,
        "encoder_attention_heads": 12,
        "layer_wise_gradient_decay_ratio": 1.0,
        "deep_norm": False,
        "dropout": 0.1,
        "attention_dropout": 0.1,
        "activation_dropout": 0.0,
        "encoder_layerdrop": 0.0,
        "dropout_input": 0.0,
        "conv_pos": 128,
        "conv_pos_groups": 16,
        "relative_position_embedding": False,
        "num_buckets": 320,
        "max_distance": 1280,
        "gru_rel_pos": False,
        "predictor_dropout": 0.1,
    }
)
_CLASSES = 527
# Keys whose other values change the network in ways that no published checkpoint uses.
_ONLY: Final[Mapping[str, Any]] = MappingProxyType(
    {"activation_fn": "gelu", "layer_norm_first": False}
)
_SHARED = ".self_attn.relative_attention_bias.weight"


def settings_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Options of `Beats` as the cfg has them; what else it holds, of training, is left.

    Raises `DataError` when there is no cfg, or it describes another kind of network.
    """
    cfg = checkpoint.config
    if "input_patch_size" not in cfg:
        raise DataError(
            f"{checkpoint.path} has no cfg that describes a BEATs",
            remedy="give a checkpoint as published: {'cfg': ..., 'model': ...}",
        )
    for key, known in _ONLY.items():
        if cfg.get(key, known) != known:
            raise DataError(
                f"{checkpoint.path}: its cfg has {key} {cfg[key]!r}; only {known!r} is known",
                remedy="give one of the published BEATs checkpoints",
            )
    settings = {key: cfg.get(key, default) for key, default in _DEFAULTS.items()}
    fine_tuned = cfg.get("finetuned_model", False)
    settings["classes"] = cfg.get("predictor_class", _CLASSES) if fine_tuned else None
    settings["input_patch_size"] = cfg["input_patch_size"]
    return settings


def network_tensors(checkpoint: Checkpoint, *, keep_predictor: bool) -> dict[str, Tensor]:
    """The tensors by the names of the network; those of its classifier only if
    `keep_predictor`.

    Raises `DataError` when the table of position biases, which is one for all layers, is not the
    same under each layer's name.
    """
    tables = [key for key in checkpoint.tensors if key.endswith(_SHARED)]
    for key in tables[1:]:
        if not torch.equal(checkpoint.tensors[key], checkpoint.tensors[tables[0]]):
            raise DataError(
                f"{checkpoint.path}: {key} differs from {tables[0]}",
                remedy="one table serves all layers: give one of the published BEATs checkpoints",
            )
    return {
        key: value
        for key, value in checkpoint.tensors.items()
        if keep_predictor or not key.startswith("predictor.")
    }
