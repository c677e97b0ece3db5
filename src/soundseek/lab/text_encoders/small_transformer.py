"""A small transformer learnt from nothing, with a tokenizer learnt from the captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from soundseek.errors import RecipeError
from soundseek.lab.encodings import TextEncoding, Tokens
from soundseek.lab.text_encoders import Weights
from soundseek.lab.text_encoders.options import even_heads, refuse_unknown
from soundseek.lab.text_encoders.subwords import Subwords, learnt_subwords
from soundseek.lab.text_encoders.transformer import TextTransformer


class SmallTransformer(nn.Module):
    """Token ids and mask `[batch, tokens]` → `TextEncoding`, `pooled` the mean over the text."""

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"width": 32, "layers": 1, "heads": 2, "vocabulary": 300}
    )

    def __init__(
        self, subwords: Subwords, *, width: int, layers: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.width = width
        self.max_tokens = subwords.max_tokens
        self._subwords = subwords
        self._sizes = {"width": width, "layers": layers, "heads": heads, "dropout": dropout}
        self.network = TextTransformer(
            subwords.size,
            width=width,
            layers=layers,
            heads=heads,
            max_tokens=subwords.max_tokens,
            dropout=dropout,
        )

    @classmethod
    def create(
        cls,
        *,
        model: str | None,
        weights: Weights,
        texts: Sequence[str],
        max_tokens: int,
        width: int = 256,
        layers: int = 3,
        heads: int = 4,
        dropout: float = 0.1,
        vocabulary: int = 8000,
        **unknown: Any,
    ) -> Self:
        """A new encoder with random weights.

        Args:
            model, weights: there is no public model of this kind: None and `random`.
            texts: the tokenizer is learnt from these.
            max_tokens: a longer text is cut.
            width, layers, heads, dropout: of the transformer.
            vocabulary: at most so many tokens.

        Raises `RecipeError` for options that do not fit, `DataError` when there are no texts.
        """
        refuse_unknown(cls.create, unknown, "small_transformer")
        if model is not None or weights != "random":
            raise RecipeError(
                f"small_transformer has no pretrained weights (model {model!r}, weights {weights})",
                remedy="leave model out and set weights=random",
            )
        even_heads(width, heads, "small_transformer")
        subwords = learnt_subwords(texts, vocabulary=vocabulary, max_tokens=max_tokens)
        return cls(subwords, width=width, layers=layers, heads=heads, dropout=dropout)

    @classmethod
    def from_resources(cls, resources: Mapping[str, Any]) -> Self:
        """The encoder that `resources` describes, its weights to be loaded."""
        subwords = Subwords(resources["tokenizer"], max_tokens=resources["max_tokens"])
        return cls(subwords, **resources["sizes"])

    def resources(self) -> dict[str, Any]:
        """What `from_resources` needs: the tokenizer's JSON and the sizes."""
        return {
            "tokenizer": self._subwords.document,
            "max_tokens": self.max_tokens,
            "sizes": self._sizes,
        }

    def tokenise(self, texts: Sequence[str]) -> Tokens:
        """Texts → ids and mask `[texts, longest]`, cut at `max_tokens`."""
        return self._subwords(texts)

    def forward(self, ids: Tensor, mask: Tensor) -> TextEncoding:
        encoded: TextEncoding = self.network(ids, mask)
        return encoded
