from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from soundseek.lab.augment.eda import (
    EdaPlan,
    EdaRange,
    apply_eda,
    draw_eda,
    vocabulary_of,
)

pytestmark = pytest.mark.lab

TEXT = "It rains cats and dogs"
WORDS = ("bell", "drum", "tree")
_ALL = EdaRange(p_eda=1.0, p_insert=0.5, p_delete=0.5, p_swap=0.5, p_synonym=0.5)


class Book:
    """A thesaurus of a few words; "void" has an entry without synonyms."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def synonyms(self, word: str) -> list[str]:
        self.asked.append(word)
        return {"rains": ["drizzles", "pours down"], "a": ["angstrom"]}.get(word.lower(), [])


def test_each_operation_does_what_it_says() -> None:
    assert apply_eda(TEXT, EdaPlan(None), vocabulary=WORDS) == TEXT
    inserted = apply_eda(TEXT, EdaPlan("insert", (0, 4), (0.99, 0.0)), vocabulary=WORDS)
    assert inserted == "It tree rains cats and dogs bell"
    assert apply_eda(TEXT, EdaPlan("delete", (1, 3), (0.0, 0.0))) == "It cats dogs"
    assert apply_eda(TEXT, EdaPlan("swap", (1,), (0.5,))) == "It and cats rains dogs"
    plan = EdaPlan("synonym", (0, 1), (0.6, 0.6))
    assert apply_eda(TEXT, plan, thesaurus=Book()) == "It pours down cats and dogs"


def test_when_every_word_goes_one_is_kept() -> None:
    every = tuple(range(5))
    kept = {
        apply_eda(TEXT, EdaPlan("delete", every, (pick, 0.0, 0.0, 0.0, 0.0)))
        for pick in (0.0, 0.3, 0.5, 0.7, 0.99)
    }
    assert kept == set(TEXT.split())


def test_a_swap_is_with_another_word() -> None:
    """Any other word, evenly."""
    words = ["a", "b", "c", "d", "e"]
    results = Counter(
        apply_eda(" ".join(words), EdaPlan("swap", (2,), (pick,))) for pick in np.arange(0, 1, 0.05)
    )
    assert results == {"c b a d e": 5, "a c b d e": 5, "a b d c e": 5, "a b e d c": 5}
    assert apply_eda("alone", EdaPlan("swap", (0,), (0.5,))) == "alone"


def test_punctuation_stays_and_function_words_are_not_replaced() -> None:
    book = Book()
    plan = EdaPlan("synonym", (0, 1, 2, 3), (0.0,) * 4)
    assert apply_eda('A (rains), -- "x"', plan, thesaurus=book) == 'A (drizzles), -- "x"'
    assert book.asked == ["rains", "x"]


def test_without_resources_nothing_is_put_in() -> None:
    for operation in ("insert", "synonym"):
        assert apply_eda(TEXT, EdaPlan(operation, (0, 1), (0.5, 0.5))) == TEXT


@given(st.integers(0, 10_000), st.text(max_size=40))
def test_never_empty_and_the_same_again(seed: int, text: str) -> None:
    plan = draw_eda(np.random.default_rng(seed), len(text.split()), _ALL)
    assert plan == draw_eda(np.random.default_rng(seed), len(text.split()), _ALL)
    result = apply_eda(text, plan, vocabulary=WORDS, thesaurus=Book())
    assert bool(result.split()) == bool(text.split())
    if plan.operation == "swap":
        assert Counter(result.split()) == Counter(text.split())
    if plan.operation == "delete":
        assert not Counter(result.split()) - Counter(text.split())


def test_deleting_everything_never_empties() -> None:
    ranges = EdaRange(p_eda=1.0, p_delete=1.0)
    rng = np.random.default_rng(0)
    results = {apply_eda(TEXT, draw_eda(rng, 5, ranges)) for _ in range(300)}
    assert results == {TEXT, *TEXT.split()}


def test_operations_are_chosen_evenly_and_words_by_their_probability() -> None:
    rng = np.random.default_rng(0)
    ranges = EdaRange(p_eda=0.8, p_insert=0.1, p_delete=0.2, p_swap=0.3, p_synonym=0.4)
    plans = [draw_eda(rng, 10, ranges) for _ in range(8000)]
    counts = Counter(plan.operation for plan in plans)
    assert counts[None] / 8000 == pytest.approx(0.2, abs=0.02)
    for operation in ("insert", "delete", "swap", "synonym"):
        assert counts[operation] / 8000 == pytest.approx(0.2, abs=0.02)
        hits = np.mean([len(plan.positions) for plan in plans if plan.operation == operation]) / 10
        assert hits == pytest.approx(ranges.per_word(operation), abs=0.02)


def test_the_vocabulary_is_normalised_and_sorted() -> None:
    assert vocabulary_of(["A dog barks.", "The DOG, the cat!"]) == (
        "a",
        "barks",
        "cat",
        "dog",
        "the",
    )
