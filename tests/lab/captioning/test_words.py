from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from soundseek.errors import RecipeError
from soundseek.lab.captioning.tokens import CaptionTokens
from soundseek.lab.captioning.words import AllowedWords, read_words
from support.captioners import tokens
from support.tiny_models import tokenizer_json

pytestmark = pytest.mark.lab

# Some are the beginnings of others; some are in the vocabulary, others are spelt.
WORDS = ["a", "an", "and", "dog", "dogs", "rain", "raincoat", "dog's", "été"]
PAIRS = tokens()
WHOLE = CaptionTokens(tokenizer_json("bert"), max_tokens=24, lowercase=True, strip_punctuation=True)


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6))
def test_captions_of_the_words_are_allowed_at_every_token(caption: list[str]) -> None:
    allowed = AllowedWords(PAIRS, WORDS)
    ids = PAIRS.pieces(" ".join(caption))
    for length, token in enumerate(ids):
        assert token in allowed.after(ids[:length])[0]
    assert allowed.after(ids)[1]
    assert allowed.whole(ids) == len(ids)


@given(st.data())
def test_whatever_is_allowed_are_the_words(data: st.DataObject) -> None:
    allowed = AllowedWords(PAIRS, WORDS)
    ids: list[int] = []
    for _ in range(12):
        tokens_after, _ = allowed.after(ids)
        ids.append(data.draw(st.sampled_from(tokens_after)))
    whole = ids[: allowed.whole(ids)]
    assert allowed.after(whole)[1] == bool(whole)
    assert set(PAIRS.decode([whole])[0].split()) <= set(WORDS)


def test_whole_word_tokens_may_follow_each_other_freely() -> None:
    allowed = AllowedWords(WHOLE, ["dog", "Barks!"])
    both = sorted([*WHOLE.pieces("dog"), *WHOLE.pieces("barks")])
    assert allowed.after([]) == (both, False)
    assert allowed.after(both) == (both, True)
    assert allowed.after(WHOLE.pieces("rain")) == ([], False)


def test_a_word_that_breaks_off_is_not_whole() -> None:
    allowed = AllowedWords(PAIRS, ["dog", "raincoat"])
    ids = PAIRS.pieces("dog raincoat")
    assert allowed.whole(ids[:-1]) == len(PAIRS.pieces("dog"))
    assert allowed.whole([]) == 0


def test_no_words_and_words_that_cannot_be_spelt_are_refused() -> None:
    with pytest.raises(RecipeError, match="no words"):
        AllowedWords(PAIRS, ["...", ""])
    with pytest.raises(RecipeError, match="cannot spell 1 of the words: zebra"):
        AllowedWords(WHOLE, ["dog", "zebra"])


def test_words_are_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a dog\nbarks\n", encoding="utf-8")
    assert read_words(tmp_path / "words.txt") == ["a", "dog", "barks"]
    with pytest.raises(RecipeError, match="absent"):
        read_words(tmp_path / "absent.txt")
