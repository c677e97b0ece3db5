"""How much a client may ask for: requests a minute, and the size of a body."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from soundseek.serve.problems import Problem

_MOST_CLIENTS: Final = 10_000
_MINUTE_S: Final = 60.0


class RateLimit:
    """So many requests a minute for each client, all at once or spread out (a token bucket)."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`per_minute` 0 is any number; `clock` tells the time in seconds."""
        self._per_minute = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # requests left, when

    def check(self, client: str) -> None:
        """Count a request; raises Problem 429 where it is one too many."""
        if not self._per_minute:
            return
        rate = self._per_minute / _MINUTE_S
        now = self._clock()
        with self._lock:
            left, when = self._left.pop(client, (float(self._per_minute), now))
            left = min(float(self._per_minute), left + (now - when) * rate)
            is_allowed = left >= 1.0
            self._left[client] = (left - 1.0 if is_allowed else left, now)
            while len(self._left) > _MOST_CLIENTS:
                self._left.popitem(last=False)
        if not is_allowed:
            wait_s = max(1, math.ceil((1.0 - left) / rate))
            raise Problem(
                429,
                f"more than {self._per_minute:,} requests a minute",
                remedy=f"wait {wait_s} s, or start the server with --rate 0",
                headers={"Retry-After": str(wait_s)},
            )


def check_declared_size(headers: Headers, limit: int) -> None:
    """Raise Problem 413 for a body that says that it is larger than `limit` bytes, 400 for a
    length that is none."""
    text = headers.get("content-length")
    if text is None:
        return
    if not (text.isascii() and text.isdecimal()):
        raise Problem(400, "the length of the body is no number")
    if int(text) > limit:
        raise _too_large(limit)


def counted(receive: Receive, limit: int) -> Receive:
    """Return a `receive` that ends a body of more than `limit` bytes, whatever it said it had."""
    received = 0

    async def counting() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            # FastAPI passes on this kind of error alone from where it reads a body.
            raise HTTPException(413, _too_large(limit).detail)
        return message

    return counting


def _too_large(limit: int) -> Problem:
    return Problem(413, f"the body is larger than {limit:,} bytes", remedy="send less at once")
