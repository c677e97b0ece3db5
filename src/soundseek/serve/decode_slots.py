"""How many sounds are decoded at once: the rest wait, and too many are sent away."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Final, TypeVar

from anyio import CapacityLimiter, to_thread

from soundseek.serve.problems import Problem

T = TypeVar("T")

_MOST_WAITING: Final = 32
_RETRY_AFTER_S: Final = 2


class DecodeSlots:
    """Threads for slow work. Each takes one request's; none of those that search are used up."""

    def __init__(self, slots: int, *, waiting: int = _MOST_WAITING) -> None:
        """Work on `slots` things at once, with at most `waiting` more in the queue."""
        self._limiter = CapacityLimiter(slots)
        # What takes minutes leaves a slot to what takes a moment.
        self._long = CapacityLimiter(max(1, slots - 1))
        self._most = slots + waiting
        self._inside = 0

    async def run(self, work: Callable[[], T], *, is_long: bool = False) -> T:
        """Return what `work` returns, from a thread; Problem 503 if the queue is full.

        Work that `is_long` never takes the last slot of several.
        Whoever leaves the queue gives up the place; work that has begun is brought to its end.
        """
        if self._inside >= self._most:
            raise Problem(
                503,
                "too many sounds are being decoded",
                remedy=f"try again in {_RETRY_AFTER_S} s",
                headers={"retry-after": str(_RETRY_AFTER_S)},
            )
        self._inside += 1
        try:
            async with self._long if is_long else nullcontext():
                return await to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self._inside -= 1
