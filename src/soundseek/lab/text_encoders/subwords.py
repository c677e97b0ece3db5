"""A tokenizer as a document: texts → padded ids and mask, without the library that wrote it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch

from soundseek.errors import DataError
from soundseek.lab.encodings import Tokens
from soundseek.lab.text_encoders.tokenizer import MASK, train_tokenizer

# What the mask is called: BERT's family, RoBERTa's family.
_MASKS = (MASK, "<mask>")


class Subwords:
    """The JSON of a `tokenizers.Tokenizer`, cutting at `max_tokens` and padding to the longest.

    Attributes:
        document: the JSON, as it was given.
        size: one more than the highest id.
        pad_id: what stands behind the end of a text.
        mask_id: of the token that hides a word; None where the vocabulary has none.
        special_ids: of the tokens that stand for no text (start, end, padding, mask, unknown).

    Raises `DataError` for a document that is no tokenizer, or has no token `pad_id`.
    """

    def __init__(
        self, document: str, *, max_tokens: int, pad_id: int = 0, lower_case: bool = False
    ) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_str(document)
            added = json.loads(document).get("added_tokens", [])
        except Exception as error:  # tokenizers raises bare Exceptions
            raise DataError(
                f"this is no tokenizer: {error}", remedy="give a tokenizer.json of tokenizers"
            ) from error
        pad = self._tokenizer.id_to_token(pad_id)
        if pad is None:
            raise DataError(
                f"the tokenizer has no token {pad_id}, with which the model pads",
                remedy="give the tokenizer that belongs to the model",
            )
        self.document = document
        self.max_tokens = max_tokens
        self.pad_id = pad_id
        self.lower_case = lower_case
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        self.size = 1 + max(vocabulary.values())
        self.mask_id: int | None = next((vocabulary[m] for m in _MASKS if m in vocabulary), None)
        self.special_ids = frozenset(int(token["id"]) for token in added if token["special"])
        self._tokenizer.enable_truncation(max_tokens)
        # Some files ask for a fixed length: padding to the longest replaces it.
        self._tokenizer.enable_padding(pad_id=pad_id, pad_token=pad)

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Texts → `ids` int64 and `mask` bool `[texts, longest]`. Raises `DataError` for none."""
        if not texts:
            raise DataError("there are no texts to encode", remedy="give at least one")
        encoded = self._tokenizer.encode_batch(
            [text.lower() for text in texts] if self.lower_case else list(texts)
        )
        ids = torch.tensor([one.ids for one in encoded], dtype=torch.int64)
        mask = torch.tensor([one.attention_mask for one in encoded], dtype=torch.bool)
        return Tokens(ids, mask)


def learnt_subwords(
    texts: Sequence[str], *, vocabulary: int, max_tokens: int, extra: Sequence[str] = ()
) -> Subwords:
    """WordPieces learnt from the training captions; see `train_tokenizer`.

    Raises `DataError` when there are no captions.
    """
    if not texts:
        raise DataError(
            "there are no captions from which a tokenizer could be learnt",
            remedy="give training captions, or a model whose folder has a tokenizer.json",
        )
    return Subwords(train_tokenizer(texts, vocabulary, extra=extra), max_tokens=max_tokens)
