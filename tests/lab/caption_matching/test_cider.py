from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.lab.caption_matching.cider import Cider, grams_of
from soundseek.lab.caption_matching.generated import Generated
from soundseek.lab.caption_matching.scores import clip_scores

pytestmark = pytest.mark.lab
Made = Callable[[list[list[str]]], Generated]

WORDS = st.sampled_from(["a", "dog", "rain", "on", "the", "roof"])
TEXTS = st.lists(WORDS, min_size=1, max_size=9).map(" ".join)
CLIPS = st.lists(st.lists(TEXTS, min_size=1, max_size=3), min_size=1, max_size=5)


def cooked(text: str) -> dict[tuple[str, ...], int]:
    words, counts = text.split(), defaultdict(int)
    for n in range(1, 5):
        for i in range(len(words) - n + 1):
            counts[tuple(words[i : i + n])] += 1
    return counts


def cider(query: str, references: list[str], clips: list[list[str]]) -> float:
    """A candidate's CIDEr-D against its references, written out: no sharing, no index."""
    frequency: dict[tuple[str, ...], int] = defaultdict(int)
    for captions in clips:
        for gram in {gram for caption in captions for gram in cooked(caption)}:
            frequency[gram] += 1
    whole = math.log(len(clips))

    def vector(text: str) -> tuple[dict[tuple[str, ...], float], list[float], int]:
        values = {
            gram: count * (whole - math.log(max(1, frequency[gram])))
            for gram, count in cooked(text).items()
        }
        norms = [
            math.sqrt(sum(v**2 for gram, v in values.items() if len(gram) == n))
            for n in range(1, 5)
        ]
        return values, norms, sum(c for gram, c in cooked(text).items() if len(gram) == 2)

    one, norms, length = vector(query)
    total = 0.0
    for reference in references:
        other, others, length_there = vector(reference)
        for n in range(1, 5):
            shared = sum(
                min(value, other.get(gram, 0.0)) * other.get(gram, 0.0)
                for gram, value in one.items()
                if len(gram) == n
            )
            if norms[n - 1] and others[n - 1]:
                shared /= norms[n - 1] * others[n - 1]
            total += shared * math.exp(-((length - length_there) ** 2) / (2 * 6.0**2))
    return total / 4 / len(references) * 10


@settings(deadline=None, max_examples=60)
@given(clips=CLIPS, queries=st.lists(TEXTS, min_size=1, max_size=4))
def test_clips_score_as_the_references_of_a_candidate(
    written_for: Made, clips: list[list[str]], queries: list[str]
) -> None:
    generated = written_for(clips)
    mean = clip_scores(Cider(generated), generated, queries, "mean")
    expected = [[cider(query, captions, clips) for captions in clips] for query in queries]
    np.testing.assert_allclose(mean, expected, rtol=1e-5, atol=1e-6)
    best = clip_scores(Cider(generated), generated, queries, "max")
    expected = [
        [max(cider(query, [caption], clips) for caption in captions) for captions in clips]
        for query in queries
    ]
    np.testing.assert_allclose(best, expected, rtol=1e-5, atol=1e-6)


def test_a_caption_itself_scores_ten_and_rare_words_count_more(written_for: Made) -> None:
    clips = [["a dog barks in the yard"], ["a cat meows in the yard"], ["a bell rings at noon"]]
    generated = written_for(clips)
    (itself, rare, common), *_ = clip_scores(
        Cider(generated), generated, ["a dog barks in the yard", "x", "y"], "max"
    )
    assert itself == pytest.approx(10.0)
    assert 0 < rare < itself
    assert common == 0.0
    by_rare, by_common = clip_scores(Cider(generated), generated, ["dog", "yard"], "max")
    assert by_rare[0] > by_common[0] > 0


def test_repeated_words_are_clipped(written_for: Made) -> None:
    generated = written_for([["dog dog"], ["cat"]])
    (scores,) = Cider(generated).scores(["dog dog dog dog"])
    assert scores[generated.texts.index("dog dog")] == pytest.approx(
        cider("dog dog dog dog", ["dog dog"], [["dog dog"], ["cat"]]), rel=1e-6
    )


def test_what_shares_nothing_has_zeros_alone(written_for: Made) -> None:
    generated = written_for([["a dog barks"], ["ein Hund bellt über Straße"]])
    nothing = Cider(generated).scores(["quark", "…", ""])
    assert not nothing.any()
    assert Cider(generated).scores(["ÜBER straße!"])[0].max() > 0
    # Where there is one clip, no word tells it from others.
    alone = written_for([["a dog barks"]])
    assert not Cider(alone).scores(["a dog barks"]).any()


def test_grams_are_of_words_without_punctuation() -> None:
    assert grams_of("Rain, rain.") == {("rain",): 2, ("rain", "rain"): 1}


@pytest.mark.slow
def test_all_of_clotho_takes_seconds(written_for: Made) -> None:
    import time

    rng = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(3000)])
    shares = 1 / np.arange(1, 3001)

    def texts(count: int) -> list[str]:
        return [" ".join(rng.choice(words, 11, p=shares / shares.sum())) for _ in range(count)]

    generated, queries = written_for([[text] for text in texts(1045)]), texts(5225)
    start = time.perf_counter()
    scores = clip_scores(Cider(generated), generated, queries, "max")
    assert scores.shape == (5225, 1045)
    assert time.perf_counter() - start < 60
