from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek import load_bundle
from soundseek.errors import BundleError
from soundseek.lab.caption_matching.vectors import Cosine, by_bundle, by_encoder
from soundseek.lab.retrieval.recipe import Text

pytestmark = pytest.mark.lab
CAPTIONS = ["a dog barks", "rain on a roof"]


def test_the_text_side_of_the_embedded_model() -> None:
    compared = by_bundle(None, CAPTIONS)
    bundle = load_bundle()
    queries = ["barking", "heavy rain", "…", "barking"]
    scores = compared.scores(queries)
    assert scores.argmax(1)[:2].tolist() == [0, 1]
    assert not scores[2].any()
    assert np.array_equal(scores[0], scores[3])
    expected = bundle.encode_text(queries[:2]) @ bundle.encode_text(CAPTIONS).T
    np.testing.assert_allclose(scores[:2], expected, rtol=0, atol=1e-5)
    with pytest.raises(BundleError, match="nowhere"):
        by_bundle("/nowhere", CAPTIONS)


def test_random_weights_depend_on_the_seed_alone() -> None:
    text = Text(encoder="word_vectors", weights="random", options={"dimension": 8})
    found = [
        by_encoder(text, CAPTIONS, ["rain"], seed).scores(["rain", "a dog"]) for seed in (1, 1, 2)
    ]
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
    assert found[0][0].argmax() == 1
    assert np.abs(found[0]).max() <= 1 + 1e-6


def test_each_text_is_encoded_once() -> None:
    seen: list[str] = []

    def encode(texts: list[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        seen.extend(texts)
        return np.ones((len(texts), 2), np.float32)

    compared = Cosine(CAPTIONS, encode)
    assert compared.scores(["x", "y", "x"]).shape == (3, 2)
    assert compared.encode(["y", "z"]).shape == (2, 2)
    assert sorted(seen) == sorted([*CAPTIONS, "x", "y", "z"])
