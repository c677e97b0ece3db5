from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from soundseek.bundle.captioning.decoding import Decoding
from soundseek.bundle.captioning.words import WordTree, spellings
from support.toy_decoder import beamed, greedy

TEXTS = [
    "rain falls on a roof while a dog barks and the rainy wind blows",
    "raining dogs bark on the roof of a barking train",
]
SPECIAL = ["[BEGIN]", "[END]", "[PAD]"]


@cache
def tokenizer(kind: str) -> Tokenizer:
    """A small tokenizer that spells words from pieces; its first ids are those of the toy."""
    if kind == "bytes":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(vocab_size=38, special_tokens=SPECIAL, show_progress=False)
    elif kind == "pieces":
        made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        made.normalizer = normalizers.Lowercase()
        made.pre_tokenizer = pre_tokenizers.Whitespace()
        made.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(
            vocab_size=38, special_tokens=[*SPECIAL, "[UNK]"], show_progress=False
        )
    else:
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.decoder = decoders.Metaspace()
        trainer = trainers.BpeTrainer(vocab_size=38, special_tokens=SPECIAL, show_progress=False)
    made.train_from_iterator(TEXTS, trainer)
    return made


KINDS = ("bytes", "pieces", "spaces")
ALLOWED = frozenset({"rain", "rainy", "dog", "a", "bark", "roof", "train"})


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), beams=st.integers(1, 3), most=st.integers(3, 14))
def test_captions_consist_of_the_words_alone(kind: str, seed: int, beams: int, most: int) -> None:
    made = tokenizer(kind)
    tree = WordTree(made, ALLOWED)
    decoding = Decoding(beams=beams, max_tokens=most, no_repeat_ngram=4)
    for search in (beamed, greedy):
        ids = search(seed, made.get_vocab_size(), decoding, tree).ids
        words = made.decode(list(ids), skip_special_tokens=True).split()
        assert words
        assert set(words) <= ALLOWED


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_can_be_said_at_the_beginning_and_later(kind: str) -> None:
    made = tokenizer(kind)
    tree = WordTree(made, ALLOWED)
    assert not tree.unusable
    for first in ALLOWED:
        for second in ALLOWED:
            ids = tuple(made.encode(f"{first} {second}", add_special_tokens=False).ids)
            for place, token in enumerate(ids):
                assert token in tree.followers(ids[:place], room=30), (first, second)
            assert tree.is_whole(ids)


def test_half_a_word_is_not_whole_and_needs_room() -> None:
    tree = WordTree(tokenizer("bytes"), frozenset({"roofs"}))
    first, _ = spellings(tokenizer("bytes"), "roofs")
    (ids,) = first
    assert len(ids) > 1
    assert not tree.is_whole(ids[:1])
    assert list(tree.followers((), room=len(ids))) == [ids[0]]
    assert list(tree.followers((), room=len(ids) - 1)) == []


def test_words_that_cannot_be_spelt_are_listed() -> None:
    tree = WordTree(tokenizer("pieces"), ["rain", "Dog", "δροσιά", "zzz"])
    assert tree.unusable == ["zzz", "δροσιά"]
    assert not tree.is_empty
    assert WordTree(tokenizer("pieces"), ["δροσιά"]).is_empty


def test_captions_in_capitals_are_found_in_small_letters_too() -> None:
    first, later = spellings(tokenizer("bytes"), "RAIN")
    small, small_later = spellings(tokenizer("bytes"), "rain")
    assert small[0] in first
    assert small_later[0] in later


def test_a_caption_that_cannot_go_on_within_a_word_ends_before_it() -> None:
    made = tokenizer("bytes")
    tree = WordTree(made, frozenset({"roofs"}))
    # The last piece of the second "roofs" would come twice, and the end is not allowed yet.
    decoding = Decoding(beams=2, no_repeat_ngram=1, min_tokens=20)
    (first,), (later,) = spellings(made, "roofs")
    assert set(first) & set(later[1:])
    for search in (beamed, greedy):
        assert search(0, made.get_vocab_size(), decoding, tree).ids == first
