from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseek.text import normalise_caption


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  A dog\tbarks,\nloudly! ", "a dog barks loudly"),
        ("The dog's bark; the dogs' barks", "the dog's bark the dogs barks"),
        ("It isn’t quiet", "it isn't quiet"),
        ("'quoted' words", "quoted words"),
        ("rain-on-tin_roof", "rain on tin roof"),
        ("440 Hz / 3.5 s", "440 hz 3 5 s"),
        ("ﬁre ａｌａｒｍ", "fire alarm"),
        ("ÉCOLE cafe\u0301", "école café"),
        ("J\u030cA", "\u01f0a"),
        ("犬が吠える。", "犬が吠える"),
        ("कुत्ता भौंकता है।", "कुत्ता भौंकता है"),
        ("نباح كلب؟", "نباح كلب"),
        ("🐕!?…", ""),
        ("", ""),
    ],
)
def test_examples(text: str, expected: str) -> None:
    assert normalise_caption(text) == expected


def test_options() -> None:
    assert normalise_caption("A  Dog!", lowercase=False) == "A Dog"
    assert normalise_caption("A  Dog!", strip_punctuation=False) == "a dog!"
    assert normalise_caption(" A  Dog! ", lowercase=False, strip_punctuation=False) == "A Dog!"


@given(st.text(), st.booleans(), st.booleans())
def test_twice_is_once(text: str, lowercase: bool, strip: bool) -> None:
    once = normalise_caption(text, lowercase=lowercase, strip_punctuation=strip)
    assert normalise_caption(once, lowercase=lowercase, strip_punctuation=strip) == once


@given(st.text())
def test_only_words_and_single_spaces_remain(text: str) -> None:
    result = normalise_caption(text)
    assert result == " ".join(result.split(" ")).strip()
    assert "  " not in result
    for word in result.split():
        assert all(
            character.isalnum() or character == "'" or not character.isascii() for character in word
        )
        assert not word.startswith("'")
        assert not word.endswith("'")
