from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.metrics.captions import coco

_caption = st.lists(st.sampled_from(["a", "dog", "barks", "rain", "falls", "roof"]), max_size=9)
_clips = st.lists(
    st.tuples(_caption, st.lists(_caption.filter(bool), min_size=1, max_size=4)),
    min_size=2,
    max_size=6,
)


def grams(words: list[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def naive_bleu(clips: list[tuple[list[str], list[list[str]]]]) -> list[float]:
    """Papineni et al. 2002, straight from the paper."""
    found = []
    precision = 1.0
    said = sum(len(words) for words, _ in clips)
    asked = sum(
        min(map(len, texts), key=lambda r: (abs(r - len(words)), r)) for words, texts in clips
    )
    for n in range(1, 5):
        matches = total = 0
        for words, texts in clips:
            most: Counter[tuple[str, ...]] = Counter()
            for text in texts:
                most |= grams(text, n)
            matches += sum((grams(words, n) & most).values())
            total += max(0, len(words) - n + 1)
        precision *= matches / total if total else 0.0
        brevity = 1.0 if said > asked else math.exp(1 - asked / said) if said else 0.0
        found.append(brevity * precision ** (1 / n))
    return found


def naive_rouge(words: list[str], texts: list[list[str]]) -> float:
    def common(one: list[str], other: list[str]) -> int:
        if not one or not other:
            return 0
        if one[-1] == other[-1]:
            return 1 + common(one[:-1], other[:-1])
        return max(common(one[:-1], other), common(one, other[:-1]))

    lengths = [common(words, text) for text in texts]
    precision = max(n / max(1, len(words)) for n in lengths)
    recall = max(n / len(text) for n, text in zip(lengths, texts, strict=True))
    if precision == 0.0:
        return 0.0
    return (1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision)


@settings(deadline=None)
@given(_clips)
def test_bleu_is_that_of_the_paper(clips: list[tuple[list[str], list[list[str]]]]) -> None:
    said = [" ".join(words) for words, _ in clips]
    asked = [[" ".join(text) for text in texts] for _, texts in clips]
    corpus, per_clip, statistics = coco.bleu(said, asked)
    assert per_clip.shape == (len(clips), 4)
    for found, expected in zip(corpus, naive_bleu(clips), strict=True):
        # Where no n-gram matches, what keeps the tools from dividing by 0 gives (1e-6)^(1/n).
        assert found == pytest.approx(expected, abs=1e-6) if expected else found < 0.04
    assert coco.bleu_of(statistics.sum(axis=0)) == pytest.approx(corpus, abs=1e-12)
    assert coco.bleu_of(statistics) == pytest.approx(per_clip, abs=1e-12)


@settings(deadline=None)
@given(_clips)
def test_rouge_is_that_of_the_paper(clips: list[tuple[list[str], list[list[str]]]]) -> None:
    short = [(words[:5], [text[:5] for text in texts]) for words, texts in clips]
    found = coco.rouge_l(
        [" ".join(words) for words, _ in short],
        [[" ".join(text) for text in texts] for _, texts in short],
    )
    assert found == pytest.approx([naive_rouge(*clip) for clip in short])


def test_cider_by_hand() -> None:
    # Every word is in one of two clips: idf log 2 each. Of n = 1 … 4 only words and pairs exist.
    found = coco.cider(["loud dog", "soft rain"], [["loud dog"], ["hard rain"]])
    assert found[0] == pytest.approx(10 * (1 + 1) / 4)
    assert found[1] == pytest.approx(10 * 0.5 / 4)


def test_cider_punishes_length_and_repetition() -> None:
    right = [["a dog barks"], ["rain falls down"]]
    plain = coco.cider(["a dog barks", "rain"], right)[0]
    repeated = coco.cider(["a dog barks a dog barks", "rain"], right)[0]
    assert repeated < plain
    assert np.isfinite(coco.cider(["", "rain"], right)).all()
