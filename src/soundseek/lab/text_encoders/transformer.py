"""A small text transformer: pre-norm, learnt positions, mean pooling."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.lab.encodings import TextEncoding, masked_mean


class TextTransformer(nn.Module):
    """Token ids and mask `[batch, tokens]` → `TextEncoding` of `width`.

    Attention and normalisation as in Vaswani et al. 2017 with the norm first (Xiong et al. 2020).
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        width: int = 256,
        layers: int = 3,
        heads: int = 4,
        max_tokens: int = 48,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.width = width
        self.max_tokens = max_tokens
        self.tokens = nn.Embedding(vocabulary_size, width, padding_idx=0)
        self.positions = nn.Parameter(torch.zeros(max_tokens, width))
        self.blocks = nn.ModuleList(_Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.tokens.weight, std=0.02)
        nn.init.normal_(self.positions, std=0.02)

    def forward(self, ids: Tensor, mask: Tensor) -> TextEncoding:
        x = self.dropout(self.tokens(ids) + self.positions[: ids.shape[1]])
        for block in self.blocks:
            x = block(x, mask)
        x = self.norm(x)
        return TextEncoding(sequence=x, mask=mask, pooled=masked_mean(x, mask))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1 = nn.LayerNorm(width)
        self.norm_2 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm_1(x)).reshape(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        x = x + self.dropout(self.out(y.transpose(1, 2).reshape(batch, tokens, width)))
        result: Tensor = x + self.dropout(self.down(F.gelu(self.up(self.norm_2(x)))))
        return result
