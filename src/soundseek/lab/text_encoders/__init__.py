"""Text encoders: the table of all of them, from name to builder. A builder imports its module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from soundseek.lab.choices import chosen

if TYPE_CHECKING:
    from soundseek.lab.recipe import TextSection
    from soundseek.lab.text_encoders.transformer import TextTransformer


def _transformer(settings: TextSection, vocabulary_size: int) -> TextTransformer:
    from soundseek.lab.text_encoders.transformer import TextTransformer

    return TextTransformer(
        vocabulary_size,
        width=settings.width,
        layers=settings.layers,
        heads=settings.heads,
        max_tokens=settings.max_tokens,
        dropout=settings.dropout,
    )


TEXT_ENCODERS: Final[Mapping[str, Callable[[TextSection, int], TextTransformer]]] = (
    MappingProxyType(
        {
            "transformer": _transformer,
        }
    )
)


def build_text_encoder(name: str, settings: TextSection, vocabulary_size: int) -> TextTransformer:
    """The encoder called `name`, with random weights from torch's generator.

    `vocabulary_size` is that of the tokenizer, which may be less than the recipe asks for. Raises
    `RecipeError` with the choices for an unknown name.
    """
    return chosen(TEXT_ENCODERS, name, "text encoder")(settings, vocabulary_size)
