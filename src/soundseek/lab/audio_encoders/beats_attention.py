"""Self-attention of BEATs: relative positions in buckets, gated by each query (Chen et al. 2022,
section 3; the gate is WavLM's, Chen et al. 2021, section 4.1; the buckets are T5's, Raffel et al.
2020, section 2.1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def relative_buckets(distance: Tensor, *, num_buckets: int, max_distance: int) -> Tensor:
    """The bucket of every `distance` (key − query, int64 of any shape), of the same shape.

    Half of the buckets serve keys behind the query. Of each half, the first half holds one
    distance each, the rest grow logarithmically up to `max_distance`, beyond which all are one.
    """
    a_side = num_buckets // 2
    exact = a_side // 2
    far = distance.abs()
    # In float32 and in this order, so that borders fall where the public code has them.
    log = torch.log(far.clamp(min=1).float() / exact) / math.log(max_distance / exact)
    grown = (exact + (log * (a_side - exact)).long()).clamp(max=a_side - 1)
    return torch.where(far < exact, far, grown) + (distance > 0).long() * a_side


class GatedAttention(nn.Module):
    """Multi-head attention `[batch, tokens, width]` → the same, biased by position.

    `relative_attention_bias` `[buckets, heads]` is shared by all layers, and public checkpoints
    keep it under each layer's name: None where positions are not told. With `gated`, each query
    scales its own row of the bias.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        dropout: float,
        gated: bool,
        relative_attention_bias: nn.Embedding | None,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.gated = gated and relative_attention_bias is not None
        self.relative_attention_bias = relative_attention_bias
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)
        if self.gated:
            self.grep_linear = nn.Linear(width // heads, 8)
            self.grep_a = nn.Parameter(torch.ones(1, heads, 1, 1))

    def forward(self, x: Tensor, position_bias: Tensor | None, mask: Tensor | None) -> Tensor:
        """`position_bias` `[1, heads, tokens, tokens]`; `mask` bool `[batch, tokens]`, False =
        nobody attends to it."""
        # The public code divides by 32 before the product and multiplies after it, for the sake
        # of half precision; scaled_dot_product_attention accumulates in float32 by itself.
        queries = self._by_head(self.q_proj(x))
        bias = position_bias
        if self.gated and bias is not None:
            bias = self._gate(queries) * bias
        if mask is not None:
            hidden = ~mask[:, None, None, :]
            if bias is None:
                bias = torch.zeros(hidden.shape, dtype=x.dtype, device=x.device)
            bias = bias.masked_fill(hidden, -math.inf)
        y = F.scaled_dot_product_attention(
            queries,
            self._by_head(self.k_proj(x)),
            self._by_head(self.v_proj(x)),
            attn_mask=None if bias is None else bias.to(queries.dtype),
            dropout_p=self.dropout if self.training else 0.0,
        )
        out: Tensor = self.out_proj(y.transpose(1, 2).flatten(2))
        return out

    def _by_head(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def _gate(self, queries: Tensor) -> Tensor:
        """`[batch, heads, tokens, 1]`, from queries that are not scaled yet."""
        sums = self.grep_linear(queries).unflatten(-1, (2, 4)).sum(-1)
        a, b = sums.sigmoid().chunk(2, dim=-1)
        gate: Tensor = a * (b * self.grep_a - 1.0) + 2.0
        return gate
