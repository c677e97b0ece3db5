"""A bidirectional recurrent layer over items of different lengths."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

_TENSORS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def through_time(layer: nn.GRU | nn.LSTM, steps: Tensor, lengths: Tensor | None) -> Tensor:
    """`[batch, time, width]` → `[batch, time, 2 · hidden]`, by one bidirectional, batch-first layer
    whose backward direction starts at each item's own end; zeros behind it.

    `lengths` int64 `[batch]`, at least 1 each; None: all items fill the time.
    """
    if lengths is None:
        whole: Tensor = layer(steps)[0]
        return whole
    if torch.compiler.is_compiling():
        return _each_way(layer, steps, lengths)
    packed = pack_padded_sequence(steps, lengths.cpu(), batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=steps.shape[1])[0]


def _each_way(layer: nn.GRU | nn.LSTM, steps: Tensor, lengths: Tensor) -> Tensor:
    """The same without packing, which no exported graph can do: the backward direction reads each
    item turned round."""
    places = torch.arange(steps.shape[1], device=steps.device)[None, :]
    own = places < lengths[:, None]
    turned = torch.where(own, lengths[:, None] - 1 - places, places)

    def turn(values: Tensor) -> Tensor:
        return values.gather(1, turned[..., None].expand(-1, -1, values.shape[2]))

    forward = _one_way(layer, steps, "")
    backward = turn(_one_way(layer, turn(steps), "_reverse"))
    return torch.cat([forward, backward], 2).masked_fill(~own[..., None], 0.0)


def _one_way(layer: nn.GRU | nn.LSTM, steps: Tensor, suffix: str) -> Tensor:
    tensors = [getattr(layer, f"{name}_l0{suffix}") for name in _TENSORS]
    start = steps.new_zeros(1, steps.shape[0], layer.hidden_size)
    # Biases, layers, dropout, training, both ways, batch first.
    settings = (True, 1, 0.0, False, False, True)
    outputs: Tensor
    if isinstance(layer, nn.LSTM):
        outputs = torch.lstm(steps, (start, start), tensors, *settings)[0]
    else:
        outputs = torch.gru(steps, start, tensors, *settings)[0]
    return outputs
