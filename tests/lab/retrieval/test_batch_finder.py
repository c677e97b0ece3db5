from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given
from hypothesis import strategies as st

from soundseek.errors import DataError
from soundseek.lab.retrieval.batch_finder import (
    expected,
    find_batch,
    largest_by_bisection,
    largest_by_growth,
)
from soundseek.lab.retrieval.trial import Trials
from support.retrieval import Document, silent

pytestmark = pytest.mark.lab


@given(st.integers(0, 3_000), st.integers(1, 3_000))
def test_bisection_finds_the_largest_that_fits(bound: int, most: int) -> None:
    asked: list[int] = []

    def fits(n: int) -> bool:
        asked.append(n)
        return n <= bound

    found = largest_by_bisection(fits, most)
    right = min(bound, most)
    assert found == (right if right >= 2 else None)
    assert len(asked) == len(set(asked))
    assert all(2 <= n <= most for n in asked)
    assert len(asked) <= 2 * most.bit_length()


@given(
    base=st.integers(0, 10**9),
    idle=st.floats(0.0, 1.0),
    slope=st.integers(1, 10**8),
    limit=st.integers(0, 10**10),
    most=st.integers(2, 5_000),
)
def test_growth_never_tries_what_is_beyond_the_limit(
    base: int, idle: float, slope: int, limit: int, most: int
) -> None:
    def peak(n: int) -> int:
        asked.append(n)
        return base + slope * n

    asked: list[int] = []
    # What the first step takes once makes a pair look larger than it is.
    found = largest_by_growth(peak, most, limit, idle=int(base * idle))
    if base + 2 * slope > limit:
        assert found is None
        assert asked == [2]
        return
    assert found is not None
    assert all(base + slope * n <= limit for n in asked)
    assert asked == sorted(set(asked))
    assert all(after <= 4 * before for before, after in pairwise(asked))
    fitting = min(most, (limit - base) // slope)
    if idle == 1.0:
        assert found >= 0.75 * fitting - 2


def test_growth_stops_where_memory_jumps() -> None:
    sizes = {2: 10, 4: 12, 8: 16, 16: 500}
    assert largest_by_growth(lambda n: sizes.get(n, 10**6), 4_000, 100) is not None
    assert largest_by_growth(lambda n: 10 if n < 8 else None, 4_000, 10_000) < 8  # type: ignore[operator]


def test_memory_is_expected_to_go_on_as_it_went() -> None:
    assert expected([(0, 4), (2, 10)], 100) == 2 + int(90 * 0.95 / 3)
    assert expected([(2, 10), (4, 12)], 12) == 4
    assert expected([(2, 10), (4, 9)], 100) == 16  # no growth seen


@pytest.fixture
def gpu_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """Return gpu_of(largest): what trains is a GPU that has room for so many pairs; gives the list
    of batches tried."""

    def made(largest: int) -> list[int]:
        tried: list[int] = []

        def longest(self: Trials, stage: Any) -> tuple[int, float]:
            tried.append(stage.order.batch)
            if stage.order.batch > largest:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return 1_000 * stage.order.batch, 0.5

        monkeypatch.setattr(Trials, "longest", longest)
        monkeypatch.setattr("soundseek.lab.retrieval.batch_finder._halves", lambda fabric: True)
        return tried

    return made


def test_on_a_gpu_batches_are_tried_until_one_is_too_large(
    document: Document, recipe_of: Any, gpu_of: Callable[[int], list[int]]
) -> None:
    tried = gpu_of(13)
    found = find_batch(recipe_of(document), silent)
    assert found.batch == 13
    assert found.limit_bytes is None
    assert sorted(tried) == [2, 4, 8, 12, 13, 14, 16]
    assert [row.batch for row in found.tried] == sorted(tried)
    assert next(row for row in found.tried if row.batch == 14).peak_bytes is None
    told = "\n".join(found.lines())
    assert "optimiser.batch=13" in told
    assert "too large" in told
    assert "changes what a contrastive objective learns from" in told
    assert found.document()["tried"][0]["pairs_s"] == 4.0


def test_the_recipe_batch_can_be_kept_in_parts(
    document: Document, recipe_of: Any, gpu_of: Callable[[int], list[int]]
) -> None:
    gpu_of(5)
    found = find_batch(recipe_of(document, optimiser={"batch": 12}), silent)
    assert found.document()["keeping"] == 3
    assert "optimiser.accumulate=3 keeps the batch of 12" in "\n".join(found.lines())


def test_not_even_two_pairs(
    document: Document, recipe_of: Any, gpu_of: Callable[[int], list[int]]
) -> None:
    gpu_of(1)
    with pytest.raises(DataError, match="not even 2 pairs"):
        find_batch(recipe_of(document), silent)


@pytest.mark.slow
def test_within_a_limit_on_a_processor(document: Document, recipe_of: Any) -> None:
    with pytest.raises(DataError, match="not even 2 pairs"):
        find_batch(recipe_of(document), silent, limit_bytes=1_000)
    staged = recipe_of(
        document, stages=[{"stage": "one", "audio": {"max_s": 0.6}}, {"stage": "two"}]
    )
    found = find_batch(staged, silent)
    assert found.batch == found.most == 30  # ten clips of three captions each
    assert found.stage in {"one", "two"}
    assert found.limit_bytes is not None
    assert all(row.peak_bytes is not None and row.step_s for row in found.tried)
    assert "an epoch has no more than 30 pairs" in "\n".join(found.lines())


def test_what_is_missing_is_told_at_once(document: Document, recipe_of: Any) -> None:
    nowhere = [{"corpus": "clips", "root": "/nowhere/clips"}]
    broken = recipe_of(document, data={"train": nowhere}, audio={"weights": "pretrained"})
    with pytest.raises(DataError) as error:
        find_batch(broken, silent)
    assert "/nowhere/clips" in error.value.message
    assert "no checkpoint is named" in error.value.message
