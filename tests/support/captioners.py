"""Captioners as small as they can be, with random weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from soundseek.lab.captioning.captioner import Captioner
from soundseek.lab.captioning.network import build_network
from soundseek.lab.captioning.recipe import CaptionNetwork, CaptionText
from soundseek.lab.captioning.tokens import CaptionTokens, caption_tokens
from support.tiny_models import scattered

CAPTIONS = (
    "a dog barks far away",
    "rain falls on a roof while the wind blows",
    "the dog's owner calls, birds sing",
    "an engine starts and rain falls",
)
WIDTH = 5


def tokens(**settings: Any) -> CaptionTokens:
    """Learnt from `CAPTIONS`."""
    return caption_tokens(
        CaptionText(**{"tokenizer": None, "vocabulary": 330, "max_tokens": 24, **settings}),
        CAPTIONS,
    )


def sizes(**changes: Any) -> CaptionNetwork:
    return CaptionNetwork(
        **{
            "encoder_layers": 2,
            "decoder_layers": 2,
            "width": 16,
            "heads": 2,
            "ffn": 24,
            "positions": 40,
            **changes,
        }
    )


def captioner(seed: int = 0, *, adapter_layers: int = 1, **changes: Any) -> Captioner:
    """In eval mode; `changes` are of the network's recipe."""
    torch.manual_seed(seed)
    cut = tokens()
    settings = sizes(**changes)
    made = Captioner(
        build_network(settings, cut),
        cut,
        width=WIDTH,
        adapter_layers=adapter_layers,
        hidden=settings.hidden,
    )
    scattered(made)
    return made


def sounds(*steps: int, padding: float = 0.0) -> tuple[Tensor, Tensor]:
    """Random sounds of so many steps, `padding` behind their ends, and the mask; a sound does not
    depend on those before it."""
    sequence = torch.full((len(steps), max(steps), WIDTH), padding)
    mask = torch.arange(max(steps)) < torch.tensor(steps)[:, None]
    for row, count in enumerate(steps):
        generator = torch.Generator().manual_seed(row)
        sequence[row, :count] = torch.randn(count, WIDTH, generator=generator)
    return sequence, mask
