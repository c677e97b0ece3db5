"""Files laid out as public checkpoints are: their keys and shapes, with next to nothing in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

GOLDEN = Path(__file__).parent.parent / "parity" / "golden"

# CLAP's keys as transformers name them; one of each part is enough to know it by.
CLAP = {
    "logit_scale_a": (),
    "logit_scale_t": (),
    "audio_model.audio_encoder.patch_embed.proj.weight": (96, 1, 4, 4),
    "audio_model.audio_encoder.layers.0.blocks.0.layernorm_before.weight": (96,),
    "audio_model.audio_encoder.layers.1.blocks.0.layernorm_before.weight": (192,),
    "text_model.embeddings.word_embeddings.weight": (50265, 768),
    "audio_projection.linear1.weight": (512, 768),
    "audio_projection.linear2.weight": (512, 512),
    "text_projection.linear2.weight": (512, 512),
}


def spec(name: str) -> dict[str, Any]:
    """What a recorded network is: its keys under `spec`, its settings under `cfg`."""
    described: dict[str, Any] = json.loads((GOLDEN / f"{name}.spec.json").read_text())
    return described


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of a recorded network."""
    return {key: tuple(entry["shape"]) for key, entry in spec(name)["spec"].items()}


def hollow(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Tensors of these shapes that take one number each on disk."""
    return {key: torch.zeros(()).expand(shape) for key, shape in shapes.items()}


def resnet38_shapes() -> dict[str, tuple[int, ...]]:
    """The shapes of PANNs' ResNet38 under upstream's keys."""
    from soundseek.lab.audio_encoders.panns_resnet import ResNet38

    with torch.device("meta"):
        state = ResNet38().state_dict()
    found = {key.removeprefix("head."): tuple(value.shape) for key, value in state.items()}
    return found | {"logmel_extractor.melW": (513, 64)}


def passt_shapes(depth: int, prefix: str = "") -> dict[str, tuple[int, ...]]:
    """The small recorded PaSST with so many blocks."""
    small = shapes("passt_small")
    found = {key: shape for key, shape in small.items() if not key.startswith("blocks.")}
    for number in range(depth):
        for key, shape in small.items():
            if key.startswith("blocks.0."):
                found[key.replace("blocks.0.", f"blocks.{number}.")] = shape
    return {prefix + key: shape for key, shape in found.items()}
