"""The text encoder of the terms that read a caption while they listen."""

from __future__ import annotations

from typing import Final

from soundseek.errors import RecipeError
from soundseek.lab.objectives.table import ModelFacts
from soundseek.lab.text_encoders import FusingTextEncoder

FUSING_TERMS: Final = ("matching", "masked_lm")
"""The terms that let the text encoder attend to sound."""


def fusing_encoder(term: str, model_facts: ModelFacts) -> FusingTextEncoder:
    """The model's text encoder. Raises `RecipeError` when it cannot attend to sound."""
    encoder = model_facts.text_encoder
    # One class serves with and without: `cross_attention` tells whether this one was built with it.
    able = callable(getattr(encoder, "fuse", None)) and getattr(encoder, "cross_attention", True)
    if encoder is None or not able:
        raise RecipeError(
            f"{term} needs a text encoder with cross-attention, and the recipe's has none",
            remedy="use bert or roberta with cross_attention: true, or leave the term out",
        )
    return encoder
