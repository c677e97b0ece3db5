"""Captions out of class labels: for corpora that name what is heard and do not describe it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

TEMPLATES = (
    "the sound of {}",
    "{} can be heard",
    "a recording of {}",
    "someone recorded {}",
    "{} in the recording",
)
"""What a caption is made with; {} is the list of labels in words."""


def in_words(label: str) -> str:
    """A label as words: "Acoustic_guitar" → "acoustic guitar"."""
    return " ".join(label.replace("_", " ").replace("(", "").replace(")", "").split()).lower()


def listed(labels: Sequence[str]) -> str:
    """Labels as a list in words: "bark, dog and animal"."""
    words = [in_words(label) for label in labels]
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def label_captions(
    labels: Sequence[str], n: int, rng: np.random.Generator, *, most_labels: int = 3
) -> tuple[str, ...]:
    """`n` different captions for the first `most_labels` labels, by templates drawn from `rng`.

    Fewer than `n` where there are fewer templates; none where there are no labels.
    """
    if not labels:
        return ()
    order = rng.permutation(len(TEMPLATES))[:n]
    return tuple(TEMPLATES[index].format(listed(labels[:most_labels])) for index in order)


def generator_of(seed: int, name: str) -> np.random.Generator:
    """A generator that depends on seed and clip alone, whatever other clips there are."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])
