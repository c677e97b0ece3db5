"""Captions as tokens and back, by one `tokenizers` document that a run and a bundle can hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

import torch
from torch import Tensor

from soundseek.errors import DataError
from soundseek.lab.captioning.recipe import CaptionText
from soundseek.lab.encodings import Tokens
from soundseek.lab.text_encoders import hub
from soundseek.text.normalise import normalise_caption

START, PAD, END, UNKNOWN = "<s>", "<pad>", "</s>", "<unk>"
# In the order and with the ids of BART's own tokenizer, so that one network suits both.
_SPECIAL: Final = (START, PAD, END, UNKNOWN)


class _Names(NamedTuple):
    start: str
    pad: str
    end: str


# What families of tokenizers call start, padding and end.
_FAMILIES: Final = (_Names(START, PAD, END), _Names("[CLS]", "[PAD]", "[SEP]"))


class CaptionTokens:
    """Captions ↔ ids; every caption is `bos`, its words, `eos`.

    Attributes:
        document: the JSON of the `tokenizers.Tokenizer`; alone it decodes:
            `Tokenizer.from_str(document).decode(ids, skip_special_tokens=True)`.
        bos, pad, eos: ids.
        vocabulary: one more than the highest id.
        max_tokens: a longer caption is cut, start and end included.
    """

    def __init__(
        self, document: str, *, max_tokens: int, lowercase: bool, strip_punctuation: bool
    ) -> None:
        """Raises `DataError` for a document that is no tokenizer, or marks no start and end."""
        from tokenizers import Tokenizer

        try:
            self._tokenizer, self._uncut = (Tokenizer.from_str(document) for _ in range(2))
        except Exception as error:  # tokenizers raises bare Exceptions
            raise DataError(
                f"this is no tokenizer: {error}", remedy="give a tokenizer.json of tokenizers"
            ) from error
        known = self._tokenizer.get_vocab(with_added_tokens=True)
        names = next((one for one in _FAMILIES if set(one) <= set(known)), None)
        if names is None:
            raise DataError(
                "this tokenizer has no tokens for start, padding and end",
                remedy="give one that has <s>, <pad>, </s> or [CLS], [PAD], [SEP], such as BART's",
            )
        self.document = document
        self.bos, self.pad, self.eos = (int(known[name]) for name in names)
        self.vocabulary = 1 + max(known.values())
        self.max_tokens = max_tokens
        self._lowercase = lowercase
        self._strip_punctuation = strip_punctuation
        # Some files come with both.
        self._uncut.no_truncation()
        self._uncut.no_padding()
        self._tokenizer.enable_truncation(max_tokens)
        # Some files ask for a fixed length: padding to the longest replaces it.
        self._tokenizer.enable_padding(pad_id=self.pad, pad_token=names.pad)
        around = self._tokenizer.encode("").ids
        if around != [self.bos, self.eos]:
            raise DataError(
                f"this tokenizer puts {around} around a text, not {[self.bos, self.eos]}: "
                f"{names.start} before and {names.end} behind",
                remedy="give a tokenizer that marks both, such as BART's",
            )

    @classmethod
    def from_resources(cls, resources: Mapping[str, Any]) -> Self:
        """The tokens that `resources` describes."""
        return cls(**resources)

    def resources(self) -> dict[str, Any]:
        """What `from_resources` needs, as JSON holds it."""
        return {
            "document": self.document,
            "max_tokens": self.max_tokens,
            "lowercase": self._lowercase,
            "strip_punctuation": self._strip_punctuation,
        }

    def written(self, caption: str) -> str:
        """How a caption is spelt before it is cut into tokens."""
        return normalise_caption(
            caption, lowercase=self._lowercase, strip_punctuation=self._strip_punctuation
        )

    def encode(self, captions: Sequence[str]) -> Tokens:
        """Captions → `ids` int64 and `mask` bool `[captions, longest]`. Raises `DataError` for no
        captions, and for one without a letter."""
        if not captions:
            raise DataError("there are no captions to encode", remedy="give at least one")
        texts = [self.written(caption) for caption in captions]
        for caption, text in zip(captions, texts, strict=True):
            if not text:
                raise DataError(
                    f"the caption {caption!r} has no words", remedy="leave it out of the manifest"
                )
        encoded = self._tokenizer.encode_batch(texts)
        return Tokens(
            torch.tensor([one.ids for one in encoded], dtype=torch.int64),
            torch.tensor([one.attention_mask for one in encoded], dtype=torch.bool),
        )

    def pieces(self, text: str) -> list[int]:
        """All tokens of a text as it is, without start and end."""
        return list(self._uncut.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Tensor | Sequence[Sequence[int]]) -> list[str]:
        """Ids `[captions, tokens]` → captions, single spaces between words; what marks start, end
        and padding is left out, and all that stands behind the first end."""
        rows = ids.tolist() if isinstance(ids, Tensor) else [list(row) for row in ids]
        texts = self._tokenizer.decode_batch([self._to_end(row) for row in rows])
        return [" ".join(text.split()) for text in texts]

    def _to_end(self, row: list[int]) -> list[int]:
        # The decoder itself begins with an end.
        start = 1 if row[:1] == [self.eos] else 0
        return row[start : row.index(self.eos, start)] if self.eos in row[start:] else row[start:]


def caption_tokens(text: CaptionText, captions: Iterable[str] = ()) -> CaptionTokens:
    """The tokens of a recipe; without `text.tokenizer` they are learnt from the training captions.

    Raises `DataError` where the tokenizer cannot be found or read, or there are no captions.
    """
    if text.tokenizer is not None:
        document = hub.read_tokenizer(text.tokenizer)
    else:
        written = (
            normalise_caption(
                one, lowercase=text.lowercase, strip_punctuation=text.strip_punctuation
            )
            for one in captions
        )
        document = learnt_tokenizer(written, text.vocabulary)
    return CaptionTokens(
        document,
        max_tokens=text.max_tokens,
        lowercase=text.lowercase,
        strip_punctuation=text.strip_punctuation,
    )


def learnt_tokenizer(texts: Iterable[str], vocabulary: int, min_frequency: int = 2) -> str:
    """Learn byte-level pairs (Sennrich et al. 2016, as BART has them) from texts; returns the JSON.

    Every text can be written, and comes back as it was. The result depends on the texts alone, not
    on their order. Raises `DataError` when there are none.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    ordered = sorted(text for text in texts if text)
    if not ordered:
        raise DataError(
            "there are no captions from which a tokenizer could be learnt",
            remedy="give training captions, or set text.tokenizer",
        )
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    # A space before the first word makes it the token that it is elsewhere.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=min_frequency,
        special_tokens=list(_SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(ordered, trainer)
    ids = [(name, tokenizer.token_to_id(name)) for name in (START, END)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=ids
    )
    return str(tokenizer.to_str())
