from __future__ import annotations

import numpy as np
import pytest

from soundseek.lab.data.labels import (
    TEMPLATES,
    generator_of,
    in_words,
    label_captions,
    listed,
)

pytestmark = pytest.mark.lab


def test_labels_as_words() -> None:
    assert in_words("Acoustic_guitar") == "acoustic guitar"
    assert in_words("Chirp_and_tweet_(bird)") == "chirp and tweet bird"
    assert listed([]) == ""
    assert listed(["Bark"]) == "bark"
    assert listed(["Bark", "Dog", "Animal"]) == "bark, dog and animal"


def test_captions_differ_and_end_with_the_templates() -> None:
    made = label_captions(["Rain"], 99, np.random.default_rng(0))
    assert sorted(made) == sorted(template.format("rain") for template in TEMPLATES)


def test_only_the_first_labels_are_named() -> None:
    (caption,) = label_captions(["a", "b", "c"], 1, np.random.default_rng(0), most_labels=2)
    assert "a and b" in caption
    assert label_captions([], 3, np.random.default_rng(0)) == ()


def test_a_clips_captions_depend_on_seed_and_clip_alone() -> None:
    def drawn(seed: int, name: str) -> tuple[str, ...]:
        return label_captions(["Rain"], 3, generator_of(seed, name))

    assert drawn(1, "x") == drawn(1, "x")
    assert len({drawn(seed, "x") for seed in range(20)}) > 1
    assert len({drawn(1, str(name)) for name in range(20)}) > 1
