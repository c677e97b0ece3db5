"""The text tower as one network, and how its tokens' vectors may begin."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from soundseek.lab.distilled.heads import TextHead
from soundseek.lab.encodings import masked_mean
from soundseek.lab.text_encoders.tokenizer import MASK, PAD, START, UNKNOWN
from soundseek.lab.text_encoders.transformer import TextTransformer
from soundseek.lab.words.recipe import NetworkSection

_SCALE = 0.1  # of a token's values at the start: the norms behind them make it 1
_SPECIAL = (PAD, UNKNOWN, START, MASK)


class WordsNetwork(nn.Module):
    """`input_ids` and `attention_mask`, `[batch, tokens]`, → `[batch, dimension]`, L2-normalised;
    the names of the inputs are those of a bundle's graph."""

    def __init__(self, encoder: TextTransformer, head: TextHead) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        vectors: Tensor = self.head(self.encoder(input_ids, attention_mask.bool()).pooled)
        return vectors

    def as_table(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """`forward` without the blocks between the tokens' vectors and the mean."""
        encoder, mask = self.encoder, attention_mask.bool()
        x = encoder.dropout(encoder.tokens(input_ids) + encoder.positions[: input_ids.shape[1]])
        vectors: Tensor = self.head(masked_mean(encoder.norm(x), mask))
        return vectors

    @torch.no_grad()
    def silence_blocks(self) -> None:
        """Let the blocks add nothing, so that `forward` gives what `as_table` gives."""
        for name, parameter in self.encoder.blocks.named_parameters():
            if name.partition(".")[2].startswith(("out.", "down.")):
                parameter.zero_()


def build_network(
    settings: NetworkSection, tokenizer_json: str, dimension: int, seed: int
) -> WordsNetwork:
    """The network with random weights drawn from the seed."""
    torch.manual_seed(seed)
    # The tokenizer may hold fewer words than the recipe asks for.
    encoder = TextTransformer(
        len(_tokens(tokenizer_json)),
        width=settings.width,
        layers=settings.layers,
        heads=settings.heads,
        max_tokens=settings.max_tokens,
        dropout=settings.dropout,
    )
    return WordsNetwork(encoder, TextHead(settings.width, dimension))


@torch.no_grad()
def start_from_teacher(
    network: WordsNetwork,
    tokenizer_json: str,
    read: Callable[[list[str]], NDArray[np.floating]],
) -> None:
    """Begin with a mean of what the teacher says of each token (Model2Vec, Minish Lab 2024).

    `read`: texts → the teacher's vectors `[n, dimension]`. The tokens' vectors are their principal
    components, and the head turns these back; the blocks between add nothing at first. Special
    tokens stay as they are.
    """
    tokens = _tokens(tokenizer_json)
    texts = [token.removeprefix("##") for token in tokens]
    vectors = np.asarray(read(texts), dtype=np.float64)
    words = np.array([token not in _SPECIAL for token in tokens])
    mean = vectors[words].mean(0)
    centred = vectors - mean
    _, axes = np.linalg.eigh(centred[words].T @ centred[words])
    axes = axes[:, ::-1][:, : network.encoder.width]
    # The signs of eigenvectors are whatever the library makes them.
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    components = centred @ axes
    spread = float(np.sqrt(np.square(components[words]).mean()))

    table, kept = network.encoder.tokens.weight, components.shape[1]
    chosen = torch.from_numpy(np.flatnonzero(words))
    table[chosen, :kept] = torch.from_numpy(components[words] * (_SCALE / spread)).float()
    projection = network.head.projection
    projection.weight.zero_()
    projection.weight[:, :kept] = torch.from_numpy(axes * spread).float()
    projection.bias.copy_(torch.from_numpy(mean).float())
    network.silence_blocks()


def _tokens(tokenizer_json: str) -> list[str]:
    """The vocabulary in the order of its ids."""
    vocabulary: dict[str, int] = json.loads(tokenizer_json)["model"]["vocab"]
    return sorted(vocabulary, key=vocabulary.__getitem__)
