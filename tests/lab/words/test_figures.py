from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.lab.words.corpus import HeldOut
from soundseek.lab.words.figures import Examination, compared, examined

pytestmark = pytest.mark.lab


def unit(n: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((n, 6))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def examination(n: int = 24, each: int = 3) -> Examination:
    owners = np.arange(n) // each
    return Examination(HeldOut([f"text {i}" for i in range(n)], owners), unit(n, 1))


def naive(vectors: np.ndarray, one: Examination) -> dict[str, float]:
    n, same, precision, asked = len(vectors), 0.0, 0.0, 0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        mine = sorted(others, key=lambda j: -float(vectors[i] @ one.taught[j]))[:10]
        theirs = sorted(others, key=lambda j: -float(one.taught[i] @ one.taught[j]))[:10]
        same += len(set(mine) & set(theirs)) / 10
        wanted = {j for j in others if one.held_out.owners[j] == one.held_out.owners[i]}
        if wanted:
            asked += 1
            found = 0
            for place, j in enumerate(mine, start=1):
                if j in wanted:
                    found += 1
                    precision += found / place / len(wanted)
    return {
        "cosine": float(np.mean([vectors[i] @ one.taught[i] for i in range(n)])),
        "same@10": same / n,
        "mAP@10": precision / asked,
    }


def test_figures_are_those_of_a_naive_count() -> None:
    one = examination()
    one.held_out.owners[-1] = 99  # a caption alone in its clip
    for vectors in (unit(24, 2), one.taught + 0.3 * unit(24, 3)):
        assert compared(vectors, one) == pytest.approx(naive(vectors, one), abs=1e-5)


def test_the_teacher_agrees_with_itself() -> None:
    found = compared(examination().taught, examination())
    assert found["cosine"] == pytest.approx(1.0, abs=1e-5)
    assert found["same@10"] == 1.0


def test_few_captions_of_one_clip_each_have_a_cosine_alone() -> None:
    assert set(compared(unit(5, 2), examination(5, each=1))) == {"cosine"}


def test_all_sets_together_are_a_mean_over_captions() -> None:
    both = {"a": examination(24), "b": examination(12)}
    found = examined(lambda texts: unit(len(texts), 4), both)
    expected = (24 * found["a cosine"] + 12 * found["b cosine"]) / 36
    assert found["cosine"] == pytest.approx(expected)
    assert next(iter(found)) == "cosine"
