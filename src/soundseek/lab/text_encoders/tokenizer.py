"""A WordPiece vocabulary learnt from the training texts: no vocabulary of anybody else's ships."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

PAD, UNKNOWN, START = "[PAD]", "[UNK]", "[CLS]"
MASK = "[MASK]"
_SPECIAL = [PAD, UNKNOWN, START]
_INSIDE = "##"


def train_tokenizer(
    texts: Iterable[str],
    vocabulary_size: int,
    min_frequency: int = 2,
    *,
    extra: Sequence[str] = (),
) -> str:
    """Learn a lower-case WordPiece tokenizer; returns the JSON of a `tokenizers.Tokenizer`.

    Every text starts with `[CLS]`; `[PAD]` has id 0. `extra`: special tokens after these, such as
    `[MASK]`. Accents are stripped. The result depends on the texts alone, not on their order.
    """
    from tokenizers import (
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )

    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = [*_SPECIAL, *extra]
    texts = sorted(texts)
    inside: set[str] = set()
    for text in texts:
        normal = tokenizer.normalizer.normalize_str(text)
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal):
            inside.update(word[1:])
    # The trainer numbers the letters inside words as its hash map happens to order the words, and
    # breaks ties by these numbers: two runs differ. Given as special tokens, they come numbered.
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size,
        min_frequency=min_frequency,
        special_tokens=[*special, *(_INSIDE + letter for letter in sorted(inside))],
        continuing_subword_prefix=_INSIDE,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    start = tokenizer.token_to_id(START)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A", special_tokens=[(START, start)]
    )
    document = json.loads(tokenizer.to_str())
    document["added_tokens"] = [
        token for token in document["added_tokens"] if token["content"] in special
    ]
    return json.dumps(document, ensure_ascii=False, indent=2)
