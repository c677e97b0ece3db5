"""Work made ahead by threads."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundseek.lab.feeding import made_ahead


@settings(max_examples=40, deadline=None)
@given(
    first=st.integers(0, 5),
    n=st.integers(0, 25),
    workers=st.integers(1, 4),
    slow=st.sets(st.integers(0, 30), max_size=3),
)
def test_comes_in_order_whoever_is_first(first: int, n: int, workers: int, slow: set[int]) -> None:
    def make(i: int) -> int:
        if i in slow:
            time.sleep(0.002)
        return i * i

    made = list(made_ahead(make, first, first + n, workers))
    assert made == [i * i for i in range(first, first + n)]


def test_nothing_to_make_is_nothing() -> None:
    assert list(made_ahead(int, 5, 5, workers=2)) == []
    assert list(made_ahead(int, 6, 5, workers=2)) == []


@settings(max_examples=20, deadline=None)
@given(bad=st.integers(0, 9), workers=st.integers(1, 3))
def test_an_error_comes_at_its_turn(bad: int, workers: int) -> None:
    def make(i: int) -> int:
        if i == bad:
            raise ValueError(f"number {i}")
        return i

    stream = made_ahead(make, 0, 10, workers)
    assert [next(stream) for _ in range(bad)] == list(range(bad))
    with pytest.raises(ValueError, match=f"number {bad}"):
        next(stream)


@pytest.mark.parametrize("workers", [1, 3])
def test_is_never_far_ahead(workers: int) -> None:
    begun: list[int] = []
    taken = 0
    most = 0

    def make(i: int) -> int:
        nonlocal most
        begun.append(i)
        most = max(most, i - taken)
        return i

    for made in made_ahead(make, 0, 40, workers):
        time.sleep(0.001)  # so that the makers come as far as they may
        taken = made + 1
    assert sorted(begun) == list(range(40))
    assert most <= 2 * workers + 1


def test_several_work_at_once() -> None:
    """Three makers wait for each other: one alone would wait for ever."""
    meeting = threading.Barrier(3, timeout=20)

    def make(i: int) -> int:
        meeting.wait()
        return i

    assert list(made_ahead(make, 0, 6, workers=3)) == list(range(6))


def test_who_stops_early_leaves_nothing_running() -> None:
    begun: list[int] = []
    may_go_on = threading.Event()

    def make(i: int) -> int:
        begun.append(i)
        if i > 0:
            may_go_on.wait(20)
        return i

    before = threading.active_count()
    stream = made_ahead(make, 0, 100, workers=1)
    assert next(stream) == 0
    may_go_on.set()
    stream.close()
    assert threading.active_count() == before
    assert len(begun) <= 3
