"""Requests a minute, and sizes of bodies."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from soundseek.serve import limits
from soundseek.serve.limits import RateLimit, check_declared_size, counted
from soundseek.serve.problems import Problem


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _passes(rate: RateLimit, client: str = "a") -> bool:
    try:
        rate.check(client)
    except Problem:
        return False
    return True


def test_so_many_at_once_and_then_at_their_pace() -> None:
    clock = Clock()
    rate = RateLimit(60, clock=clock)
    assert [_passes(rate) for _ in range(61)] == [True] * 60 + [False]
    clock.now += 2.0
    assert [_passes(rate) for _ in range(3)] == [True, True, False]
    assert _passes(rate, "another client")


@given(st.lists(st.floats(0, 5), max_size=200))
def test_never_more_than_twice_the_rate_in_a_minute(pauses: list[float]) -> None:
    clock = Clock()
    rate = RateLimit(6, clock=clock)
    passed = []
    for pause in pauses:
        clock.now += pause
        if _passes(rate):
            passed.append(clock.now)
    for start in passed:
        assert sum(start <= when < start + 60 for when in passed) <= 12


def test_waiting_as_long_as_it_says_is_enough() -> None:
    clock = Clock()
    rate = RateLimit(7, clock=clock)
    while _passes(rate):
        pass
    with pytest.raises(Problem) as raised:
        rate.check("a")
    assert raised.value.status == 429
    clock.now += int(raised.value.headers["Retry-After"])
    assert _passes(rate)


def test_zero_is_any_number() -> None:
    rate = RateLimit(0)
    assert all(_passes(rate) for _ in range(10_000))


def test_clients_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST_CLIENTS", 10)
    rate = RateLimit(1, clock=Clock())
    assert all(_passes(rate, str(number)) for number in range(100))
    assert len(rate._left) == 10
    assert not _passes(rate, "99")


@pytest.mark.parametrize(
    ("length", "status"), [("10", None), ("11", 413), ("-1", 400), ("x", 400), ("²", 400)]
)
def test_declared_sizes(length: str, status: int | None) -> None:
    headers = Headers({"content-length": length})
    if status is None:
        check_declared_size(headers, 10)
        return
    with pytest.raises(Problem) as raised:
        check_declared_size(headers, 10)
    assert raised.value.status == status


def test_a_body_that_did_not_say_how_large_it_is() -> None:
    async def receive():
        return {"type": "http.request", "body": b"12345", "more_body": True}

    async def read() -> None:
        counting = counted(receive, 12)
        await counting()
        await counting()
        with pytest.raises(HTTPException) as raised:
            await counting()
        assert raised.value.status_code == 413

    asyncio.run(read())
