"""What worker processes are given to do in tests."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from soundseek.errors import DataError
from soundseek.lab.runs.order import Order, carry_out
from soundseek.lab.runs.workers import Event, Failure, Work, Workers

Tell = Callable[[object], None]


def work(task: Any, tell: Tell) -> Any:
    """Do what the first word of the task says."""
    what, *rest = task
    if what == "double":
        tell("doubling")
        return rest[0] * 2, os.getpid()
    if what == "refuse":
        raise DataError("bad clip", remedy="mend it")
    if what == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
        return "still here"
    if what == "wait":
        tell(os.getpid())
        time.sleep(60)
    return 1 / 0


def slowly(order: Order, tell: Tell) -> object:
    """Carry an order out, with a pause at everything that it tells."""

    def told(content: object) -> None:
        tell(content)
        time.sleep(0.1)

    return carry_out(order, told)


class Inline:
    """Stands for `Workers`: does each task at once, in this process."""

    def __init__(self, jobs: int, work: Work) -> None:
        self._work = work
        self._events: list[Event] = []
        self.free = True

    @property
    def busy(self) -> int:
        return len(self._events)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def give(self, key: str, task: object) -> None:
        try:
            done = self._work(
                task, lambda content: self._events.append(Event("told", key, content))
            )
        except (DataError, ArithmeticError) as error:
            self._events.append(Event("failed", key, Failure(str(error), "details")))
        except OSError as error:
            self._events.append(Event("failed", key, Failure(str(error), "", elsewhere=True)))
        else:
            self._events.append(Event("done", key, done))
        self.free = False

    def events(self, timeout_s: float) -> Iterator[Event]:
        events, self._events = self._events, []
        self.free = True
        yield from events


def main() -> None:
    """An owner of a worker that waits; prints the worker's process id."""
    with Workers(1, work) as workers:
        workers.give("a", ("wait",))
        for event in workers.events(60):
            print(event.content, flush=True)
        for _ in workers.events(60):
            pass


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    main()
