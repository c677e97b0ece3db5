"""The two networks of a captioner as ONNX graphs."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from soundseek.lab.captioning.captioner import Captioner
from soundseek.lab.onnx_export import exported, with_half_weights

_MOST_ITEMS: Final = 4096
_TOLERANCE: Final = 2e-3  # of logits, whose differences are what counts


class _Memory(nn.Module):
    """What is heard → what the decoder attends to."""

    def __init__(self, captioner: Captioner) -> None:
        super().__init__()
        self.captioner = captioner

    def forward(self, vectors: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        mask = torch.arange(vectors.shape[1]) < lengths[:, None]
        return self.captioner.encode(vectors, mask), mask.long()


class _Decoder(nn.Module):
    """The caption so far, from its begin token on → logits of the next token."""

    def __init__(self, captioner: Captioner) -> None:
        super().__init__()
        self.captioner = captioner

    def forward(self, ids: Tensor, memory: Tensor, memory_mask: Tensor) -> Tensor:
        # BART's decoder begins with the token that ends captions, before the one that begins them.
        start = torch.full_like(ids[:, :1], self.captioner.tokens.eos)
        logits = self.captioner.decode(memory, memory_mask.bool(), torch.cat([start, ids], dim=1))
        return logits[:, -1].float()


def memory_graph(captioner: Captioner, most_windows: int) -> bytes:
    """`memory.onnx`: vectors `[batch, windows, dimension]`, lengths `[batch]` → memory, mask.

    `most_windows`: 2 or more. Raises `BundleError` where the graph gives other values than the
    network.
    """

    def inputs(*lengths: int) -> dict[str, Tensor]:
        lengths = tuple(min(length, most_windows) for length in lengths)
        vectors = torch.randn(len(lengths), max(lengths), captioner.width)
        vectors = nn.functional.normalize(vectors, dim=2)
        return {"vectors": vectors, "lengths": torch.tensor(lengths)}

    batch = torch.export.Dim("batch", min=1, max=_MOST_ITEMS)
    windows = torch.export.Dim("windows", min=1, max=most_windows)
    graph = exported(
        _Memory(captioner).eval(),
        inputs(3, 2),
        {"vectors": {0: batch, 1: windows}, "lengths": {0: batch}},
        [inputs(1), inputs(5, 1, most_windows)],
        outputs=("memory", "memory_mask"),
        tolerance=_TOLERANCE,
    )
    return with_half_weights(graph)


def decoder_graph(captioner: Captioner, most_steps: int, max_tokens: int) -> bytes:
    """`decoder.onnx`: ids `[n, tokens]`, memory `[n, steps, width]`, its mask → logits.

    `most_steps` and `max_tokens`: 2 or more. Raises `BundleError` as `memory_graph` does.
    """
    tokens, width = captioner.tokens, captioner.network.config.d_model

    def inputs(n: int, length: int, steps: int) -> dict[str, Tensor]:
        length, steps = min(length, max_tokens), min(steps, most_steps)
        ids = torch.randint(4, tokens.vocabulary, (n, length))
        ids[:, 0] = tokens.bos
        mask = torch.arange(steps) < torch.randint(1, steps + 1, (n, 1))
        return {"ids": ids, "memory": torch.randn(n, steps, width), "memory_mask": mask.long()}

    batch = torch.export.Dim("batch", min=1, max=_MOST_ITEMS)
    length = torch.export.Dim("tokens", min=1, max=max_tokens)
    steps = torch.export.Dim("steps", min=1, max=most_steps)
    graph = exported(
        _Decoder(captioner).eval(),
        inputs(3, 4, 2),
        {
            "ids": {0: batch, 1: length},
            "memory": {0: batch, 1: steps},
            "memory_mask": {0: batch, 1: steps},
        },
        [inputs(1, 1, 1), inputs(2, max_tokens, most_steps), inputs(5, 2, 3)],
        outputs=("logits",),
        tolerance=_TOLERANCE,
    )
    return with_half_weights(graph)
