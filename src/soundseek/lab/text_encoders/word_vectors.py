"""Sentences as the mean of their words' vectors: the text encoder of the DCASE 2022 task 6B
baseline (Xie et al. 2022), with word2vec of Mikolov et al. 2013 or any other word vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from soundseek.errors import DataError, RecipeError
from soundseek.lab.encodings import TextEncoding, Tokens, masked_mean
from soundseek.lab.text_encoders import Weights
from soundseek.lab.text_encoders.options import one_of, refuse_unknown
from soundseek.lab.text_encoders.vector_files import read_vectors
from soundseek.lab.text_encoders.word_table import WordTable
from soundseek.text.normalise import normalise_caption

Case = Literal["keep", "lower"]

# The files are sorted by frequency.
_KEPT = 50_000
_MOST_NAMED = 20


class WordVectors(nn.Module):
    """Ids and mask `[batch, tokens]` → `TextEncoding`: `sequence` the words' vectors, `pooled`
    their mean.

    Words without a vector are left out of the tokens and counted in `unknown`; a text without any
    word that is known has an empty mask and a `pooled` of zeros, and is counted too. `report` tells
    both.

    Make one with `create` or `from_resources`. `words` are those with a vector, in the order of
    their ids, which start with 1; 0 is padding.
    """

    TINY: ClassVar[Mapping[str, Any]] = MappingProxyType({"dimension": 16})

    def __init__(
        self,
        words: Sequence[str],
        vectors: Tensor,
        *,
        max_tokens: int,
        trainable: bool = False,
        case: Case = "keep",
    ) -> None:
        super().__init__()
        if vectors.ndim != 2 or len(vectors) != len(words):
            raise DataError(f"{len(words)} words, but vectors of shape {tuple(vectors.shape)}")
        self.words = list(words)
        self.width = vectors.shape[1]
        self.max_tokens = max_tokens
        self.trainable = trainable
        self.case: Case = case
        self.unknown: Counter[str] = Counter()
        self._texts = 0
        self._empty = 0
        self._known = 0
        self._ids = {word: index for index, word in enumerate(self.words, start=1)}
        table = torch.cat([torch.zeros(1, self.width), vectors.float()])
        if trainable:
            self.vectors = nn.Parameter(table)
        else:
            self.register_buffer("vectors", table)

    vectors: Tensor

    @classmethod
    def create(
        cls,
        *,
        model: str | None,
        weights: Weights,
        texts: Sequence[str],
        max_tokens: int,
        trainable: bool = False,
        case: Case = "keep",
        dimension: int | None = None,
        keep: int = _KEPT,
        **unknown: object,
    ) -> Self:
        """Pretrained: the words of `texts` that the file `model` has, and those among its first
        `keep` that a text can hold, so that sentences not seen in training find theirs too. Random:
        the words of `texts`, with vectors of about unit length from torch's generator; `model` and
        `keep` play no part.

        `case`: `keep` as the baseline does, or `lower`. `dimension`: of random vectors (300), or
        what the file has to have.

        Raises `RecipeError` for an unknown option and for pretrained weights without a file, and
        `DataError` for a file that cannot be read, has another dimension, or knows no word of
        `texts`.
        """
        refuse_unknown(cls.create, unknown, "word_vectors")
        one_of(case, ("keep", "lower"), "case of word_vectors")
        words = sorted({word for text in texts for word in _words(text, case)})
        if weights == "random":
            width = 300 if dimension is None else dimension
            vectors = torch.randn(len(words), width) * width**-0.5
        elif model is None:
            raise RecipeError(
                "word vectors need a file",
                remedy="give its path as the text encoder's model, or ask for weights: random",
            )
        else:
            table = _sayable(read_vectors(model, words, first=keep), words, case)
            if dimension is not None and table.dimension != dimension:
                raise DataError(f"{model} has {table.dimension} values a word, not {dimension}")
            if words and not set(words) & set(table.words):
                raise DataError(
                    f"{model} knows none of the {len(words)} words of the texts, such as "
                    + ", ".join(map(repr, words[:5])),
                    remedy="give vectors of the texts' language; if they are of lower-case words,"
                    " set case to 'lower'",
                )
            words, vectors = table.words, torch.from_numpy(table.vectors)
        return cls(words, vectors, max_tokens=max_tokens, trainable=trainable, case=case)

    @classmethod
    def from_resources(cls, resources: Mapping[str, Any]) -> Self:
        """The encoder that `resources` tells of, with zeros until its state is loaded."""
        words = resources["words"]
        return cls(
            words,
            torch.zeros(len(words), resources["dimension"]),
            max_tokens=resources["max_tokens"],
            trainable=resources["trainable"],
            case=resources["case"],
        )

    def resources(self) -> dict[str, Any]:
        """What `from_resources` takes, ready for JSON; the vectors are in the state."""
        return {
            "words": list(self.words),
            "dimension": self.width,
            "max_tokens": self.max_tokens,
            "trainable": self.trainable,
            "case": self.case,
        }

    def tokenise(self, texts: Sequence[str]) -> Tokens:
        """The first `max_tokens` known words of each text, padded to the longest (at least 1)."""
        rows = []
        for text in texts:
            words = _words(text, self.case)
            known = [self._ids[word] for word in words if word in self._ids]
            self.unknown.update(word for word in words if word not in self._ids)
            self._texts += 1
            self._known += len(known)
            self._empty += not known
            rows.append(known[: self.max_tokens])
        longest = max([1, *map(len, rows)])
        ids = torch.zeros(len(rows), longest, dtype=torch.int64)
        for row, known in zip(ids, rows, strict=True):
            row[: len(known)] = torch.tensor(known, dtype=torch.int64)
        return Tokens(ids, ids > 0)

    def report(self) -> dict[str, Any]:
        """What `tokenise` has met so far: how many texts, how many of them without any known word,
        how many words were known and unknown, and which unknown ones came most often."""
        return {
            "texts": self._texts,
            "texts_without_a_known_word": self._empty,
            "known_words": self._known,
            "unknown_words": self.unknown.total(),
            "different_unknown_words": len(self.unknown),
            "most_frequent_unknown_words": dict(self.unknown.most_common(_MOST_NAMED)),
        }

    def forward(self, ids: Tensor, mask: Tensor) -> TextEncoding:
        sequence = F.embedding(ids, self.vectors, padding_idx=0)
        return TextEncoding(sequence=sequence, mask=mask, pooled=masked_mean(sequence, mask))


def _words(text: str, case: Case) -> list[str]:
    return normalise_caption(text, lowercase=case == "lower").split()


def _sayable(table: WordTable, asked: Iterable[str], case: Case) -> WordTable:
    """Without the phrases, marks and capitals of a file that no text becomes."""
    asked = set(asked)
    rows = [
        row for row, word in enumerate(table.words) if word in asked or _words(word, case) == [word]
    ]
    return WordTable([table.words[row] for row in rows], table.vectors[rows])
