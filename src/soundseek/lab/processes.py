"""Several processes that train together: this one, and companions that it starts."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from typing import Any, Final

from soundseek.errors import DataError, SoundseekError
from soundseek.lab.devices import world_size

_LOCAL_RANK: Final = "LOCAL_RANK"
_GRACE_S = 30.0
_GLANCE_S = 0.2
_REFUSED: Final = 2  # the exit code of deliberate errors, as everywhere


@contextmanager
def companions(devices: int, work: Callable[..., object], *arguments: Any) -> Iterator[None]:
    """Let `devices` − 1 further processes call `work(*arguments)` while the block does the same.

    `work` and its arguments are pickled. Nothing is started where this is one of several already
    (torchrun, or a companion itself). When the block ends in an error, or a companion does, all
    end. Raises `DataError` naming a companion that failed. An interrupt reaches this process alone,
    which then ends the others.
    """
    if devices == 1 or world_size() > 1:
        yield
        return
    common = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "NODE_RANK": "0",
        "WORLD_SIZE": str(devices),
        "LOCAL_WORLD_SIZE": str(devices),
    }
    context = multiprocessing.get_context("spawn")
    begun = [context.Event() for _ in range(1, devices)]
    others = [
        context.Process(
            target=_companion,
            args=(common | {_LOCAL_RANK: str(rank)}, begun[rank - 1], work, arguments),
            daemon=True,
            name=f"process {rank}",
        )
        for rank in range(1, devices)
    ]
    try:
        for other in others:
            other.start()
        _await(others, begun)
        with _environment(common | {_LOCAL_RANK: "0"}):
            try:
                yield
            except RuntimeError as error:
                # What this process sees of a companion's end is that it is gone.
                _join(others, _GRACE_S)
                raise _failure(others, error) or error from error
            finally:
                _leave_group()
        _join(others, None)
        failed = _failure(others, None)
        if failed is not None:
            raise failed
    finally:
        for other in others:
            if other.is_alive():
                other.terminate()
                other.join()


def _companion(
    environment: Mapping[str, str],
    begun: Event,
    work: Callable[..., object],
    arguments: tuple[Any, ...],
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(environment)
    begun.set()
    try:
        work(*arguments)
    except SoundseekError as error:
        print(f"process {environment[_LOCAL_RANK]}: {error}", file=sys.stderr)
        sys.exit(_REFUSED)
    finally:
        _leave_group()


def _await(others: list[SpawnProcess], begun: list[Event]) -> None:
    """Until all have begun: who joins a group before would wait for one that died on its way."""
    for other, event in zip(others, begun, strict=True):
        while not event.wait(_GLANCE_S):
            if not other.is_alive() and not event.is_set():
                raise _failure(others, None) or DataError(f"{other.name} ended at once")


def _failure(others: list[SpawnProcess], cause: BaseException | None) -> DataError | None:
    for other in others:
        if other.exitcode not in (0, None):
            return DataError(
                f"{other.name} of {len(others) + 1} ended with exit code {other.exitcode}"
                + ("" if cause is None else f": {cause}"),
                remedy="its own message stands above; the last checkpoint is kept",
            )
    return None


def _join(others: list[SpawnProcess], seconds: float | None) -> None:
    for other in others:
        other.join(seconds)


def _leave_group() -> None:
    import torch.distributed

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
