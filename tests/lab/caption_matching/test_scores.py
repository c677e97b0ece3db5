from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from soundseek.lab.caption_matching import scores as module
from soundseek.lab.caption_matching.generated import Generated
from soundseek.lab.caption_matching.scores import clip_scores

pytestmark = pytest.mark.lab

GENERATED = Generated(["a", "b", "c"], [[0, 2], [], [1], [2, 2, 1]], 1, 0)


class Lengths:
    """Scores that are told apart: 10 times the query's length plus the caption's number."""

    least = -7.0

    def __init__(self) -> None:
        self.asked: list[int] = []

    def scores(self, queries: Sequence[str]) -> NDArray[np.float32]:
        self.asked.append(len(queries))
        lengths = np.array([len(query) for query in queries], np.float32)
        return 10 * lengths[:, None] + np.arange(3, dtype=np.float32)


@pytest.mark.parametrize("block", [1, 2, 512])
def test_of_several_captions_the_best_counts_or_their_mean(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", block)
    queries, compared = ["x", "xx", "xxx"], Lengths()
    best = clip_scores(compared, GENERATED, queries, "max")
    assert best.tolist() == [[10 * n + 2, -7, 10 * n + 1, 10 * n + 2] for n in (1, 2, 3)]
    assert best.dtype == np.float32
    assert max(compared.asked) <= block
    mean = clip_scores(compared, GENERATED, queries, "mean")
    expected = [[10 * n + 1, -7, 10 * n + 1, 10 * n + 5 / 3] for n in (1, 2, 3)]
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
