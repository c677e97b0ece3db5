"""Queries into vectors: normalisation, tokens, padding, network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from soundseek.bundle.network import Network
from soundseek.bundle.schema import TEXT_FILE, TOKENIZER_FILE, BundleManifest
from soundseek.bundle.tokenizer_file import open_tokenizer
from soundseek.errors import BundleError, QueryError
from soundseek.text.normalise import normalise_caption

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_BATCH = 64


class TextEncoder:
    """The text half of a bundle. Nothing is opened before the first text."""

    def __init__(self, folder: Path, manifest: BundleManifest, threads: int | None) -> None:
        """Encode as `manifest` says, with the files in `folder`."""
        self._settings = manifest.text
        self._dimension = manifest.dimension
        self._tokenizer_path = folder / TOKENIZER_FILE
        inputs = {"input_ids": 2, "attention_mask": 2}
        self.network = Network(folder / TEXT_FILE, inputs, manifest.dimension, threads)

    def encode(self, texts: str | Sequence[str]) -> npt.NDArray[np.float32]:
        """Return L2-normalised vectors float32 [n, dimension]; see `Bundle.encode_text`."""
        if isinstance(texts, str):
            texts = [texts]
        # All are read before the first is run, so that a bad text costs no time.
        token_ids = [self._token_ids(text, self._truncating) for text in texts]
        vectors = np.empty((len(token_ids), self._dimension), dtype=np.float32)
        for start in range(0, len(token_ids), _BATCH):
            part = slice(start, start + _BATCH)
            vectors[part] = self._run(token_ids[part])
        return vectors

    def count_tokens(self, text: str) -> int:
        """Return the length of `text` in tokens, special ones included, before truncation."""
        return len(self._token_ids(text, self._whole))

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of `text` that the tokenizer has nothing for; see `Bundle`."""
        token = getattr(self._whole.model, "unk_token", None)
        unknown = None if token is None else self._whole.token_to_id(token)
        words = dict.fromkeys(self._normal(text).split())
        return [
            word
            for word in words
            if unknown in self._whole.encode(word, add_special_tokens=False).ids
        ]

    def _normal(self, text: str) -> str:
        return normalise_caption(
            text,
            lowercase=self._settings.lowercase,
            strip_punctuation=self._settings.strip_punctuation,
        )

    def _run(self, token_ids: list[list[int]]) -> npt.NDArray[np.float32]:
        shape = (len(token_ids), max(len(ids) for ids in token_ids))
        input_ids = np.full(shape, self._pad_id, dtype=np.int64)
        attention_mask = np.zeros(shape, dtype=np.int64)
        for row, ids in enumerate(token_ids):
            input_ids[row, : len(ids)] = ids
            attention_mask[row, : len(ids)] = 1
        return self.network.run({"input_ids": input_ids, "attention_mask": attention_mask})

    def _token_ids(self, text: str, tokenizer: Tokenizer) -> list[int]:
        if not isinstance(text, str):
            raise QueryError(f"a query must be text, not {type(text).__name__}: {text!r}")
        normal = self._normal(text)
        ids = tokenizer.encode(normal).ids if normal else []
        if not ids:
            raise QueryError(
                f"the query {text!r} holds no words", remedy="describe a sound in words"
            )
        return ids

    # One text at a time is as fast as encode_batch here, and starts no thread pool, which would
    # warn in every process that forks afterwards. Two instances, since switching truncation on
    # and off would disturb other threads.
    @cached_property
    def _truncating(self) -> Tokenizer:
        tokenizer = open_tokenizer(self._tokenizer_path)
        tokenizer.no_padding()
        limit = self._settings.max_tokens
        special = tokenizer.num_special_tokens_to_add(is_pair=False)
        if limit <= special:
            raise BundleError(
                f"max_tokens is {limit}, but {self._tokenizer_path} adds {special} of its own",
                remedy="export the bundle again with room for words",
            )
        tokenizer.enable_truncation(limit)
        return tokenizer

    @cached_property
    def _whole(self) -> Tokenizer:
        tokenizer = open_tokenizer(self._tokenizer_path)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    @cached_property
    def _pad_id(self) -> int:
        """The id that fills up short texts; some networks derive positions from it."""
        padding = open_tokenizer(self._tokenizer_path).padding
        return 0 if padding is None else int(padding["pad_id"])
