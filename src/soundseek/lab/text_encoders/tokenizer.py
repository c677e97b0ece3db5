"""A WordPiece vocabulary learnt from the training texts: no vocabulary of anybody else's ships."""

from __future__ import annotations

from collections.abc import Iterable

PAD, UNKNOWN, START = "[PAD]", "[UNK]", "[CLS]"


def train_tokenizer(texts: Iterable[str], vocabulary_size: int, min_frequency: int = 2) -> str:
    """Learn a lower-case WordPiece tokenizer; returns the JSON of a `tokenizers.Tokenizer`.

    Every text starts with `[CLS]`; `[PAD]` has id 0. Accents are stripped. The result depends on
    the texts alone, not on their order.
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
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size,
        min_frequency=min_frequency,
        special_tokens=[PAD, UNKNOWN, START],
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(texts), trainer)
    start = tokenizer.token_to_id(START)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A", special_tokens=[(START, start)]
    )
    return str(tokenizer.to_str(pretty=True))
