from __future__ import annotations

import random

import pytest

pytest.importorskip("torch")

from tokenizers import Tokenizer

from soundseek.lab.text_encoders.tokenizer import MASK, PAD, START, UNKNOWN, train_tokenizer

pytestmark = pytest.mark.lab

_SUBJECTS = ("dog", "cat", "bird", "engine", "crowd", "river")
_VERBS = ("barks", "purrs", "sings", "roars", "cheers", "rushes")
TEXTS = [
    f"A {subject} {verb} {end}"
    for subject in _SUBJECTS
    for verb in _VERBS
    for end in ("nearby", "far away", "in the café")
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_str(train_tokenizer(TEXTS, 200))


def test_the_order_of_the_texts_does_not_matter() -> None:
    shuffled = TEXTS.copy()
    random.Random(4).shuffle(shuffled)
    assert shuffled != TEXTS
    assert train_tokenizer(shuffled, 120) == train_tokenizer(TEXTS, 120)


def test_special_tokens(tokenizer: Tokenizer) -> None:
    assert [tokenizer.token_to_id(name) for name in (PAD, UNKNOWN, START)] == [0, 1, 2]
    for text in ("a dog barks", ""):
        encoded = tokenizer.encode(text)
        assert encoded.tokens[0] == START
        assert encoded.tokens.count(START) == 1
        assert 0 not in encoded.ids


def test_known_words_are_whole_and_unknown_ones_are_split(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("dog").tokens == [START, "dog"]
    pieces = tokenizer.encode("dogs").tokens[1:]
    assert len(pieces) > 1
    assert "".join(piece.removeprefix("##") for piece in pieces) == "dogs"
    assert UNKNOWN not in pieces
    assert tokenizer.encode("笛").tokens == [START, UNKNOWN]


def test_capitals_and_accents_do_not_matter(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("A DOG in the CAFÉ").ids == tokenizer.encode("a dog in the cafe").ids


def test_the_vocabulary_keeps_its_limit(tokenizer: Tokenizer) -> None:
    assert tokenizer.get_vocab_size() <= 200
    assert Tokenizer.from_str(train_tokenizer(TEXTS, 64)).get_vocab_size() <= 64


def test_rare_words_get_no_token_of_their_own() -> None:
    trained = Tokenizer.from_str(train_tokenizer([*TEXTS, "a glockenspiel"], 400))
    assert "glockenspiel" not in trained.get_vocab()
    assert "".join(
        piece.removeprefix("##") for piece in trained.encode("glockenspiel").tokens[1:]
    ).startswith("glo")


def test_extra_special_tokens_come_after_the_usual_ones(tokenizer: Tokenizer) -> None:
    assert tokenizer.token_to_id(MASK) is None
    trained = Tokenizer.from_str(train_tokenizer(TEXTS, 200, extra=(MASK,)))
    assert [trained.token_to_id(name) for name in (PAD, UNKNOWN, START, MASK)] == [0, 1, 2, 3]
    assert trained.encode(f"a {MASK} barks").tokens == [START, "a", MASK, "barks"]
    assert tokenizer.encode(f"a {MASK} barks").tokens != [START, "a", MASK, "barks"]
