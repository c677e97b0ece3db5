"""What threads share of a library between searches."""

from __future__ import annotations

import threading

import pytest

from soundseek.library import tables
from soundseek.library.query import checked_filters
from soundseek.library.tables import Kept, SearchTables


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(tables.time, "monotonic", made)
    return made


def test_without_patience_the_value_is_of_the_revision_asked_for() -> None:
    kept: Kept[int] = Kept()
    assert [kept.at(revision, lambda _, r=revision: r) for revision in (1, 1, 2, 1)] == [1, 1, 2, 1]


def test_a_value_is_made_once_and_from_the_one_before() -> None:
    kept: Kept[list[int]] = Kept()
    first = kept.at(1, lambda made: [0 if made is None else 1])
    assert kept.at(1, lambda _: [9]) is first
    assert kept.at(2, lambda made: [*made.value, made.revision]) == [0, 1]


def test_with_patience_an_old_value_will_do_for_a_while(clock: Clock) -> None:
    kept: Kept[int] = Kept(1.0)
    assert kept.at(1, lambda _: 1) == 1
    clock.now += 0.9
    assert kept.at(2, lambda _: 2) == 1
    clock.now += 0.2
    assert kept.at(2, lambda _: 2) == 2


def test_what_takes_long_is_made_seldom(clock: Clock) -> None:
    kept: Kept[int] = Kept(1.0)

    def slow(_: object) -> int:
        clock.now += 3.0
        return 1

    kept.at(1, slow)
    clock.now += 59.0
    assert kept.at(2, lambda _: 2) == 1
    clock.now += 2.0
    assert kept.at(2, lambda _: 2) == 2


def test_a_value_beside_another_object_never_will_do(clock: Clock) -> None:
    kept: Kept[int] = Kept(1.0)
    one, other = object(), object()
    assert kept.at(1, lambda _: 1, beside=one) == 1
    assert kept.at(1, lambda _: 2, beside=other) == 2


def test_while_one_thread_makes_a_value_others_go_on_with_the_old_one(clock: Clock) -> None:
    kept: Kept[int] = Kept(1.0)
    kept.at(1, lambda _: 1)
    clock.now += 5.0
    started, may_end = threading.Event(), threading.Event()

    def slow(_: object) -> int:
        started.set()
        assert may_end.wait(10)
        return 2

    maker = threading.Thread(target=kept.at, args=(2, slow))
    maker.start()
    assert started.wait(10)
    assert kept.at(2, lambda _: 3) == 1
    may_end.set()
    maker.join(10)
    assert kept.at(2, lambda _: 3) == 2


def test_a_value_that_could_not_be_made_is_tried_again() -> None:
    kept: Kept[int] = Kept(1.0)

    def fails(_: object) -> int:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        kept.at(1, fails)
    assert kept.at(1, lambda _: 1) == 1


def test_filters_used_last_are_kept() -> None:
    shared = SearchTables()
    first = shared.passing(checked_filters(min_duration=0))
    for seconds in range(1, 32):
        shared.passing(checked_filters(min_duration=seconds))
    assert shared.passing(checked_filters(min_duration=0)) is first
    for seconds in range(100, 132):
        shared.passing(checked_filters(min_duration=seconds))
    assert shared.passing(checked_filters(min_duration=0)) is not first
