from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.lab.augment.wordnet_entries import Word
from soundseek.lab.words.swaps import Swapper, swapped_captions

pytestmark = pytest.mark.lab

ANIMAL, THING, NOISE, OTHER = ("noun", 5), ("noun", 6), ("verb", 39), ("adj", 0)
WORDS = [
    Word("dog", ANIMAL, 3),
    Word("cat", ANIMAL, 2),
    Word("fox", ANIMAL, 1),
    Word("quagga", ANIMAL, 0),
    Word("guinea pig", ANIMAL, 4),
    Word("bark", THING, 1),
    Word("bark", NOISE, 2),
    Word("whine", NOISE, 1),
    Word("free", NOISE, 1),
    Word("loud", OTHER, 1),
]


def swapped(caption: str, tries: int = 60) -> set[str]:
    swapper, rng = Swapper(WORDS), np.random.default_rng(1)
    return {swapper.swapped(caption, rng, share=1.0) for _ in range(tries)}


def test_a_word_becomes_another_of_its_kind() -> None:
    assert swapped("A dog, loud.") == {"a dog, loud.", "a cat, loud.", "a fox, loud."}


def test_rare_words_and_words_apart_are_not_put_in() -> None:
    assert not any("quagga" in one or "pig" in one for one in swapped("a cat"))
    # What is not known stays as it is.
    assert swapped("a quagga by the xylem") == {"a quagga by the xylem"}


def test_endings_stay() -> None:
    assert swapped("dogs") == {"dogs", "cats", "foxes"}
    assert swapped("barking") == {"barking", "whining", "freeing"}
    # As the word that is met more often: a verb.
    assert swapped("barks") == {"barks", "whines", "frees"}
    assert swapped("louding") == {"louding"}


def test_no_share_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    assert Swapper(WORDS).swapped("A dog", rng, share=0.0) == "a dog"


def test_captions_that_stayed_are_left_out() -> None:
    captions = ["a dog barks in the Distance", "nothing here"]
    made = swapped_captions(captions, WORDS, 200, np.random.default_rng(2))
    assert 30 < len(made) < 100
    assert all(" in the distance" in one and one != captions[0].lower() for one in made)
