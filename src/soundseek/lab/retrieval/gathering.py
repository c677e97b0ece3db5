"""Pairs of several processes put together: every process sees the whole batch's negatives.

Each process computes the objective over all pairs. What comes back to its own embeddings through
the gathering is the sum over the processes, and their parameters' gradients are then averaged: that
is the gradient of the mean of the processes' losses. A loss that is the same in all of them counts
once, as in a single process; one that a process has of its own pairs counts by its share.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from soundseek.lab.devices import reduced
from soundseek.lab.encodings import AudioEncoding, TextEncoding, Tokens
from soundseek.lab.objectives.pairs import PairBatch


def gathered(pairs: PairBatch, fabric: Fabric, *, sequences: bool) -> PairBatch:
    """The pairs of all processes in the order of their ranks, plain ones first, mixed ones behind.

    Every process must have as many of both. `sequences`: encodings and tokens are gathered as well,
    for terms that read while listening; otherwise they stay those of this process.
    `correspondences` are of all pairs already.
    """
    n = pairs.plain
    own = slice(fabric.global_rank * n, (fabric.global_rank + 1) * n)

    def joined(rows: Tensor) -> Tensor:
        every = fabric.all_gather(rows, sync_grads=rows.requires_grad)
        assert isinstance(every, Tensor)
        return torch.cat([every[:, :n].flatten(0, 1), every[:, n:].flatten(0, 1)])

    plain_groups = joined(pairs.groups[:n])
    mixed = (len(pairs.groups) - n) * fabric.world_size
    fresh = int(plain_groups.max()) + 1 + torch.arange(mixed, device=plain_groups.device)
    whole = replace(
        pairs,
        audio=joined(pairs.audio),
        text=joined(pairs.text),
        groups=torch.cat([plain_groups, fresh]),
        plain=n * fabric.world_size,
        own=own,
    )
    if not sequences:
        return whole

    def spread(rows: Tensor) -> Tensor:
        """Rows `[n, length, …]`, padded to the longest of all processes, of all processes."""
        length = torch.tensor(rows.shape[1], device=rows.device)
        most = int(reduced(fabric, length, "max"))
        padding = [0, 0] * (rows.ndim - 2) + [0, most - rows.shape[1]]
        return joined(F.pad(rows, padding))

    audio, text = pairs.audio_encoding, pairs.text_encoding
    return replace(
        whole,
        audio_encoding=AudioEncoding(
            spread(audio.sequence), spread(audio.mask.to(torch.uint8)).bool(), joined(audio.pooled)
        ),
        text_encoding=TextEncoding(
            spread(text.sequence), spread(text.mask.to(torch.uint8)).bool(), joined(text.pooled)
        ),
        tokens=Tokens(spread(pairs.tokens.ids), spread(pairs.tokens.mask.to(torch.uint8)).bool()),
    )
