from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.bundle.load import load_bundle
from soundseek.bundle.runtime import Bundle
from soundseek.errors import QueryError
from support.tiny_bundle import MAX_TOKENS


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return load_bundle(tiny_bundle)


def test_one_text_or_several(bundle: Bundle) -> None:
    one = bundle.encode_text("a low tone")
    both = bundle.encode_text(["a low tone", "noise"])
    assert one.shape == (1, 32)
    assert both.shape == (2, 32)
    assert one.dtype == both.dtype == np.float32
    assert np.linalg.norm(both, axis=1) == pytest.approx(1.0, abs=1e-6)
    assert bundle.encode_text([]).shape == (0, 32)


def test_normalisation_is_applied(bundle: Bundle) -> None:
    assert np.array_equal(bundle.encode_text("  LOW,\ttone!"), bundle.encode_text("low tone"))


@settings(max_examples=25)
@given(
    st.lists(
        st.sampled_from(["low", "high", "noise", "a", "the", "dog", "hum"]), min_size=1, max_size=30
    )
)
def test_a_vector_does_not_depend_on_its_neighbours(bundle: Bundle, words: list[str]) -> None:
    text = " ".join(words)
    alone = bundle.encode_text(text)[0]
    among = bundle.encode_text(["noise", text, "a long low hum and " * 5])[1]
    assert among == pytest.approx(alone, abs=1e-6)


def test_more_texts_than_a_batch(bundle: Bundle) -> None:
    texts = ["low", "high", "noise", "clicks and noise"] * 40
    vectors = bundle.encode_text(texts)
    assert vectors == pytest.approx(np.tile(bundle.encode_text(texts[:4]), (40, 1)), abs=1e-6)


def test_long_texts_are_cut_and_counted(bundle: Bundle) -> None:
    start = " ".join(["low"] * MAX_TOKENS)
    assert np.array_equal(bundle.encode_text(start + " noise" * 50), bundle.encode_text(start))
    assert bundle.count_tokens(start + " noise" * 50) == MAX_TOKENS + 50
    assert bundle.count_tokens("A low, low hum.") == 4


@pytest.mark.parametrize("text", ["", "   ", "?!…", "🐕"])
def test_a_text_without_words_is_refused(bundle: Bundle, text: str) -> None:
    with pytest.raises(QueryError, match="holds no words"):
        bundle.encode_text(["low", text])
    with pytest.raises(QueryError, match="holds no words"):
        bundle.count_tokens(text)


def test_what_is_no_text_is_refused(bundle: Bundle) -> None:
    with pytest.raises(QueryError, match="must be text, not float"):
        bundle.encode_text(["low", float("nan")])  # type: ignore[list-item]


def test_searching_by_text_never_opens_the_audio_network(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    bundle.encode_text("low")
    assert bundle._texts.network.is_open
    assert not bundle._sounds.network.is_open
