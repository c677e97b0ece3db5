"""A text encoder's words as the bundle holds them: tokenizer.json, and how the runtime is to read
a text so that it gives the tokens which the encoder was trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from soundseek.bundle.schema import TextSection
from soundseek.errors import BundleError
from soundseek.lab.retrieval.recipe import Text
from soundseek.lab.text_encoders import TextEncoderModule

_UNKNOWN: Final = "[UNK]"  # no word of a caption has brackets: they are taken for punctuation
_UNKNOWN_ID: Final = 0


@dataclass(frozen=True)
class TextFiles:
    """`tokenizer_json`: a Hugging Face tokenizers file that names its padding; `vocabulary`: one
    more than its highest id; `unknown_id`: of words that the network must leave out, None where it
    reads all that the tokenizer gives."""

    tokenizer_json: str
    section: TextSection
    vocabulary: int
    pad_id: int
    unknown_id: int | None = None


def text_files(encoder: TextEncoderModule, text: Text) -> TextFiles:
    """From the resources of an encoder, and how its recipe has texts written before it reads them.

    The runtime reads texts in Unicode NFKC, with single spaces: an encoder that was trained on raw
    texts sees these in that form. Of a long text, the runtime reads the first `max_tokens` words,
    where an encoder of word vectors reads the first `max_tokens` words that it knows.

    Raises `BundleError` for an encoder that brings neither a tokenizer nor words.
    """
    resources = encoder.resources()
    if "words" in resources:
        words = resources["words"]
        section = TextSection(
            encoder.max_tokens,
            lowercase=text.lowercase or resources["case"] == "lower",
            strip_punctuation=True,
        )
        return TextFiles(
            word_tokenizer(words), section, 1 + len(words), _UNKNOWN_ID, unknown_id=_UNKNOWN_ID
        )
    if "tokenizer" not in resources:
        raise BundleError(
            f"{type(encoder).__name__} has no tokenizer that a bundle could hold",
            remedy="train with a text encoder that has one",
        )
    return _subword_files(encoder, resources, text)


def word_tokenizer(words: Sequence[str]) -> str:
    """A tokenizer that gives word i of the list the id i + 1, and any other word 0."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {_UNKNOWN: _UNKNOWN_ID} | {word: i for i, word in enumerate(words, start=1)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.enable_padding(pad_id=_UNKNOWN_ID, pad_token=_UNKNOWN)
    return str(tokenizer.to_str())


def _subword_files(
    encoder: TextEncoderModule, resources: Mapping[str, Any], text: Text
) -> TextFiles:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(resources["tokenizer"])
    pad_id = _pad_id(resources)
    # The runtime cuts by itself, and pads with what the file names.
    tokenizer.no_truncation()
    tokenizer.enable_padding(pad_id=pad_id, pad_token=tokenizer.id_to_token(pad_id))
    section = TextSection(
        encoder.max_tokens,
        lowercase=text.lowercase or bool(resources.get("lower_case", False)),
        strip_punctuation=text.strip_punctuation,
    )
    vocabulary = 1 + max(tokenizer.get_vocab(with_added_tokens=True).values())
    return TextFiles(str(tokenizer.to_str()), section, vocabulary, pad_id)


def _pad_id(resources: Mapping[str, Any]) -> int:
    if "pad_id" in resources:
        return int(resources["pad_id"])
    config = json.loads(resources.get("config", "{}"))
    return int(config.get("pad_token_id") or 0)
