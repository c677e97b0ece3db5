"""Worker processes that carry out tasks: started anew, not forked, and never outliving their owner.

Random numbers of a training are global to a process, so runs share none. A worker that dies (out
of memory, a crash in native code) fails its task alone.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from types import TracebackType
from typing import Any, Final, Self

from soundseek.errors import SoundseekError

Work = Callable[[Any, Callable[[object], None]], Any]
"""A module's own function of (task, tell), importable by another process."""

_DISK: Final = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
_PATIENCE_S: Final = 5.0


@dataclass(frozen=True)
class Failure:
    """Why a task failed. `elsewhere`: not by its own fault; others would fail as well."""

    reason: str
    details: str
    elsewhere: bool = False


@dataclass(frozen=True)
class Event:
    """`told`: something on the way; `done`: the task's result; `failed`: a `Failure`."""

    kind: str
    key: str
    content: Any


@dataclass
class _Worker:
    process: SpawnProcess
    connection: Connection
    key: str | None = field(default=None)


class Workers:
    """At most `jobs` processes that do `work`; a context manager, whose end is theirs."""

    def __init__(self, jobs: int, work: Work) -> None:
        self._jobs, self._work = jobs, work
        self._context: SpawnContext = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.connection.close()
            # An idle worker ends by itself when nobody is left to give it tasks.
            if worker.key is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_PATIENCE_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers = []

    @property
    def busy(self) -> int:
        """How many tasks are on their way."""
        return sum(worker.key is not None for worker in self._workers)

    @property
    def free(self) -> bool:
        """Whether another task can be given."""
        return self.busy < self._jobs

    def give(self, key: str, task: object) -> None:
        """Start a task, known by `key` from then on."""
        idle = [worker for worker in self._workers if worker.key is None]
        worker = idle[0] if idle else self._start()
        worker.key = key
        worker.connection.send(task)

    def events(self, timeout_s: float) -> Iterator[Event]:
        """What happened, waiting for it at most `timeout_s`."""
        by_connection = {worker.connection: worker for worker in self._workers if worker.key}
        for ready in wait(list(by_connection), timeout_s):
            worker = by_connection[ready]  # type: ignore[index]
            key = worker.key
            if key is None:
                continue
            try:
                kind, content = worker.connection.recv()
            except (EOFError, ConnectionError):
                yield Event("failed", key, self._bury(worker))
                continue
            if kind != "told":
                worker.key = None
            yield Event(kind, key, content)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._work), name="run")
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _bury(self, worker: _Worker) -> Failure:
        worker.process.join(_PATIENCE_S)
        code = worker.process.exitcode
        self._workers.remove(worker)
        worker.connection.close()
        how = f"by signal {-code}" if code is not None and code < 0 else f"with code {code}"
        return Failure(f"its process ended {how}; out of memory, perhaps", "")


def _serve(connection: Connection, work: Work) -> None:
    """Carry out tasks until there is nobody to give any."""
    # Ctrl-C goes to the whole group of processes; the owner decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_owner, daemon=True).start()
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer: tuple[str, object] = (
                "done",
                work(task, lambda content: connection.send(("told", content))),
            )
        except Exception as error:
            answer = ("failed", _failure(error))
        connection.send(answer)


def _end_with_owner() -> None:
    owner = multiprocessing.parent_process()
    if owner is not None:
        owner.join()
        os._exit(1)


def _failure(error: Exception) -> Failure:
    elsewhere = isinstance(error, OSError) and error.errno in _DISK
    said = str(error) if isinstance(error, SoundseekError) else f"{type(error).__name__}: {error}"
    return Failure(said, traceback.format_exc(), elsewhere)


def threads_each(jobs: int) -> int | None:
    """Threads for each of several processes, so that together they use the cores once; None for a
    single one, which may have them all."""
    return None if jobs == 1 else max(1, _cores() // jobs)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
