"""Work made ahead by threads, handed out in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

_Made = TypeVar("_Made")
_AHEAD_PER_WORKER: Final = 2


def made_ahead(make: Callable[[int], _Made], first: int, end: int, workers: int) -> Iterator[_Made]:
    """`make(i)` for i from `first` to `end` (exclusive) in order, two a worker ahead of the taker.

    What `make` raises is raised when its turn has come. Decoding, resampling and NumPy release the
    interpreter's lock, so that threads suffice; nothing needs to be pickled or copied.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[_Made]] = deque()
        begun = first
        try:
            for _ in range(first, end):
                while begun < end and len(waiting) <= _AHEAD_PER_WORKER * workers:
                    waiting.append(pool.submit(make, begun))
                    begun += 1
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
