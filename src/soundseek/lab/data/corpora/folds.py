"""What the corpora of labelled folds share: which fold is which split, captions from a phrase."""

from __future__ import annotations


def split_of(fold: str, validation_fold: int, test_fold: int) -> str:
    """The split of a clip in `fold`; a fold number of 0 gives no such split."""
    if fold.strip() == str(test_fold):
        return "test"
    return "validation" if fold.strip() == str(validation_fold) else "train"


def phrase_captions(phrase: str) -> tuple[str, ...]:
    """The captions of every clip of a class, such as "a dog barking"."""
    return (f"the sound of {phrase}", phrase)
