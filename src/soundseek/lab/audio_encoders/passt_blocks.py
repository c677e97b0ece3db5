"""The transformer blocks of PaSST: those of ViT and DeiT (Dosovitskiy et al. 2021, section 3.1;
Touvron et al. 2021), normalised before each branch."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-6


class Block(nn.Module):
    """Tokens `[batch, tokens, width]` → the same; nobody attends to tokens that `mask` (bool
    `[batch, tokens]`) leaves out."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPSILON)
        self.attn = _Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=EPSILON)
        self.mlp = _Mlp(width, hidden)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = x + self.attn(self.norm1(x), mask)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        queries, keys, values = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1)
        )
        seen = None if mask is None else mask[:, None, None, :]
        y = F.scaled_dot_product_attention(queries, keys, values, attn_mask=seen)
        out: Tensor = self.proj(y.transpose(1, 2).flatten(2))
        return out


class _Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out
