"""Weights for tests under which every layer matters: a fresh network's statistics and biases are
zeros and ones, and would hide mistakes."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


@torch.no_grad()
def enlivened(network: Network, seed: int = 0) -> Network:
    """The network in eval mode with seeded weights, biases and running statistics."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if not value.is_floating_point():
            continue
        if name.endswith("running_var") or (value.ndim == 1 and name.endswith("weight")):
            value.uniform_(0.5, 1.5, generator=generator)
        elif value.ndim > 1:
            value.normal_(0.0, (2.0 / value[0].numel()) ** 0.5, generator=generator)
        else:
            value.normal_(0.0, 0.2, generator=generator)
    return network.eval()
