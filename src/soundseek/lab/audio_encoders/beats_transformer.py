"""The transformer of BEATs: a convolution that tells positions, and post-norm layers with
DeepNorm (Wang et al. 2022, DeepNet, section 4)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from soundseek.lab.audio_encoders.beats_attention import GatedAttention, relative_buckets


@dataclass(frozen=True)
class TransformerSizes:
    """`Beats`' options of these names, without their prefix `encoder_`."""

    layers: int
    embed_dim: int
    ffn_embed_dim: int
    attention_heads: int
    deep_norm: bool
    dropout: float
    attention_dropout: float
    activation_dropout: float
    layerdrop: float
    conv_pos: int
    conv_pos_groups: int
    relative_position_embedding: bool
    num_buckets: int
    max_distance: int
    gru_rel_pos: bool
    layer_wise_gradient_decay_ratio: float
    checkpoint_layers: bool


class BeatsTransformer(nn.Module):
    """Tokens `[batch, tokens, width]` → the same. What `mask` leaves out is silenced before the
    convolution and attended to by no one, but still has an output of its own."""

    def __init__(self, sizes: TransformerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        width = sizes.embed_dim
        self.pos_conv = nn.Sequential(
            _PositionConv(width, sizes.conv_pos, sizes.conv_pos_groups), nn.GELU()
        )
        table = (
            nn.Embedding(sizes.num_buckets, sizes.attention_heads)
            if sizes.relative_position_embedding
            else None
        )
        self.layers = nn.ModuleList(_Layer(sizes, table) for _ in range(sizes.layers))
        self.layer_norm = nn.LayerNorm(width)
        _initialise(self)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        if mask is not None:
            x = x.masked_fill(~mask.unsqueeze(-1), 0.0)
        x = x + self.pos_conv(x.transpose(1, 2)).transpose(1, 2)
        x = F.dropout(self.layer_norm(x), self.sizes.dropout, self.training)
        bias = self._position_bias(x.shape[1])
        for layer in self.layers:
            x = self._decayed(x)
            if self.training and float(torch.rand(())) <= self.sizes.layerdrop:
                continue
            if self.sizes.checkpoint_layers and torch.is_grad_enabled():
                x = cast("Tensor", checkpoint(layer, x, bias, mask, use_reentrant=False))
            else:
                x = layer(x, bias, mask)
        return x

    def _position_bias(self, tokens: int) -> Tensor | None:
        """`[1, heads, tokens, tokens]`, the same for all layers."""
        table = cast("_Layer", self.layers[0]).self_attn.relative_attention_bias
        if table is None:
            return None
        places = torch.arange(tokens, device=table.weight.device)
        buckets = relative_buckets(
            places[None, :] - places[:, None],
            num_buckets=self.sizes.num_buckets,
            max_distance=self.sizes.max_distance,
        )
        bias: Tensor = table(buckets)
        return bias.permute(2, 0, 1).unsqueeze(0)

    def _decayed(self, x: Tensor) -> Tensor:
        """`x`, whose gradient shrinks on its way down."""
        ratio = self.sizes.layer_wise_gradient_decay_ratio
        if ratio != 1.0 and x.requires_grad:
            x = x.view_as(x)  # a tensor of its own, so that nothing else's gradient is scaled
            x.register_hook(lambda gradient: gradient * ratio)  # type: ignore[no-untyped-call]
        return x


class _PositionConv(nn.Module):
    """A grouped convolution over tokens, of which weight normalisation (Salimans & Kingma 2016)
    holds the length of each kernel position in `weight_g` and the direction in `weight_v`."""

    def __init__(self, width: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.kernel, self.groups = kernel, groups
        direction = torch.randn(width, width // groups, kernel) * math.sqrt(4 / (kernel * width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.weight_g = nn.Parameter(_length(direction))
        self.weight_v = nn.Parameter(direction)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight_v * (self.weight_g / _length(self.weight_v))
        y = F.conv1d(x, weight, self.bias, padding=self.kernel // 2, groups=self.groups)
        return y[:, :, : x.shape[2]]  # an even kernel gives one too many


def _length(direction: Tensor) -> Tensor:
    return direction.square().sum((0, 1), keepdim=True).sqrt()


class _Layer(nn.Module):
    def __init__(self, sizes: TransformerSizes, table: nn.Embedding | None) -> None:
        super().__init__()
        width = sizes.embed_dim
        self.dropout = sizes.dropout
        self.activation_dropout = sizes.activation_dropout
        self.alpha = (2.0 * sizes.layers) ** 0.25 if sizes.deep_norm else 1.0
        self.self_attn = GatedAttention(
            width,
            sizes.attention_heads,
            dropout=sizes.attention_dropout,
            gated=sizes.gru_rel_pos,
            relative_attention_bias=table,
        )
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, sizes.ffn_embed_dim)
        self.fc2 = nn.Linear(sizes.ffn_embed_dim, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, bias: Tensor | None, mask: Tensor | None) -> Tensor:
        y = F.dropout(self.self_attn(x, bias, mask), self.dropout, self.training)
        x = self.self_attn_layer_norm(x * self.alpha + y)
        y = F.dropout(F.gelu(self.fc1(x)), self.activation_dropout, self.training)
        y = F.dropout(self.fc2(y), self.dropout, self.training)
        out: Tensor = self.final_layer_norm(x * self.alpha + y)
        return out


def _initialise(transformer: BeatsTransformer) -> None:
    """DeepNet's gains (figure 2 there) with DeepNorm; else a normal of 0.02, as in BERT."""
    sizes = transformer.sizes
    beta = (8.0 * sizes.layers) ** -0.25
    for layer in cast("list[_Layer]", list(transformer.layers)):
        attention = layer.self_attn
        gains = {attention.q_proj: 1.0, attention.k_proj: 1.0, attention.v_proj: beta}
        gains |= {attention.out_proj: beta, layer.fc1: beta, layer.fc2: beta}
        for linear, gain in gains.items():
            nn.init.zeros_(linear.bias)
            if sizes.deep_norm:
                nn.init.xavier_normal_(linear.weight, gain=gain)
            else:
                nn.init.normal_(linear.weight, std=0.02)
        if attention.relative_attention_bias is not None:
            nn.init.normal_(attention.relative_attention_bias.weight, std=0.02)
