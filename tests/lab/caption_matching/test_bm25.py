from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.lab.caption_matching.bm25 import Bm25
from soundseek.lab.caption_matching.generated import Generated
from soundseek.lab.caption_matching.scores import clip_scores

pytestmark = pytest.mark.lab
Made = Callable[[list[list[str]]], Generated]

WORDS = st.sampled_from(["a", "dog", "rain", "on", "the", "roof"])
TEXTS = st.lists(WORDS, min_size=1, max_size=9).map(" ".join)
CLIPS = st.lists(st.lists(TEXTS, min_size=1, max_size=3), min_size=1, max_size=5)


def bm25(query: str, caption: str, captions: list[str]) -> float:
    """The formula, word by word."""
    documents = [one.split() for one in captions]
    mean = sum(map(len, documents)) / len(documents)
    words, score = caption.split(), 0.0
    for word in query.split():
        holding = sum(word in document for document in documents)
        weight = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
        often = words.count(word)
        score += weight * often * 2.2 / (often + 1.2 * (0.25 + 0.75 * len(words) / mean))
    return score


@settings(deadline=None, max_examples=60)
@given(clips=CLIPS, queries=st.lists(TEXTS, min_size=1, max_size=4))
def test_every_caption_is_a_document(
    written_for: Made, clips: list[list[str]], queries: list[str]
) -> None:
    generated = written_for(clips)
    every = [caption for captions in clips for caption in captions]
    found = clip_scores(Bm25(generated), generated, queries, "mean")
    expected = [
        [np.mean([bm25(query, caption, every) for caption in captions]) for captions in clips]
        for query in queries
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_words_that_no_caption_has_give_zeros_alone(written_for: Made) -> None:
    generated = written_for([["a dog barks"], ["ein Hund bellt über Straße"]])
    assert not Bm25(generated).scores(["quark zwei", "?!", ""]).any()
    scores = Bm25(generated).scores(["quark ÜBER"])[0]
    assert (scores > 0).tolist() == ["über" in text for text in generated.texts]


def test_a_word_of_all_captions_still_counts(written_for: Made) -> None:
    generated = written_for([["a dog"], ["a cat"], ["a bell a bell a bell"]])
    assert (Bm25(generated).scores(["a"]) > 0).all()
