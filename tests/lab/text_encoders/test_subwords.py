from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")

import torch
from tokenizers import Tokenizer

from soundseek.errors import DataError
from soundseek.lab.text_encoders.subwords import Subwords, learnt_subwords
from soundseek.lab.text_encoders.tokenizer import MASK, train_tokenizer

pytestmark = pytest.mark.lab

TEXTS = ["a dog barks far away", "a dog barks", "rain falls", "rain falls on a dog"]


def test_ids_are_those_of_the_tokenizer() -> None:
    document = train_tokenizer(TEXTS, 100)
    subwords, plain = Subwords(document, max_tokens=5), Tokenizer.from_str(document)
    texts = ["rain falls", "a dog barks far away on a dog"]
    ids, mask = subwords(texts)
    assert ids.dtype == torch.int64
    assert mask.dtype == torch.bool
    assert ids[0, mask[0]].tolist() == plain.encode(texts[0]).ids
    assert ids[1].tolist() == plain.encode(texts[1]).ids[:5]
    assert ids[0, ~mask[0]].tolist() == [0, 0]
    assert subwords.size == plain.get_vocab_size()


def test_padding_is_to_the_longest_whatever_the_file_says() -> None:
    tokenizer = Tokenizer.from_str(train_tokenizer(TEXTS, 100))
    tokenizer.enable_padding(length=30)
    tokenizer.enable_truncation(2)
    subwords = Subwords(tokenizer.to_str(), max_tokens=20)
    assert subwords(["rain falls", "a dog barks"]).ids.shape == (2, 4)


def test_mask_and_special_tokens() -> None:
    assert learnt_subwords(TEXTS, vocabulary=90, max_tokens=8).mask_id is None
    subwords = learnt_subwords(TEXTS, vocabulary=90, max_tokens=8, extra=(MASK,))
    assert subwords.mask_id == 3
    assert subwords.special_ids == frozenset(range(4))
    assert subwords([f"rain {MASK} dog"]).ids[0, 2] == 3


@pytest.mark.parametrize("document", ["", "{}", json.dumps({"model": 1})])
def test_what_is_no_tokenizer(document: str) -> None:
    with pytest.raises(DataError, match="this is no tokenizer"):
        Subwords(document, max_tokens=4)


def test_a_padding_that_is_not_there() -> None:
    with pytest.raises(DataError, match="no token 4000"):
        Subwords(train_tokenizer(TEXTS, 100), max_tokens=4, pad_id=4000)
