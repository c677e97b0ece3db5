"""Slots for decoding: so many at once, so many in the queue, the rest sent away."""

from __future__ import annotations

import threading
import time

import anyio
import pytest

from soundseek.serve.decode_slots import DecodeSlots
from soundseek.serve.problems import Problem


def test_no_more_than_the_slots_work_at_once() -> None:
    slots = DecodeSlots(2)
    lock, now, most = threading.Lock(), 0, 0

    def work() -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        return 7

    async def ask(results: list[int]) -> None:
        results.append(await slots.run(work))

    async def main() -> list[int]:
        results: list[int] = []
        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(ask, results)
        return results

    assert anyio.run(main) == [7] * 6
    assert most == 2


def test_a_full_queue_says_when_to_come_back() -> None:
    slots = DecodeSlots(1, waiting=1)
    release = threading.Event()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(slots.run, release.wait)
            await anyio.sleep(0.05)
            with pytest.raises(Problem) as refused:
                await slots.run(lambda: None)
            assert refused.value.status == 503
            assert int(refused.value.headers["retry-after"]) > 0
            release.set()
        assert await slots.run(lambda: 1) == 1

    anyio.run(main)


def test_an_error_frees_the_slot() -> None:
    slots = DecodeSlots(1, waiting=0)

    def fails() -> None:
        raise ValueError("broken")

    async def main() -> None:
        for _ in range(3):
            with pytest.raises(ValueError, match="broken"):
                await slots.run(fails)

    anyio.run(main)


def test_long_work_leaves_a_slot() -> None:
    slots = DecodeSlots(2)
    release = threading.Event()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(lambda: slots.run(release.wait, is_long=True))
            await anyio.sleep(0.05)
            with anyio.fail_after(5):
                assert await slots.run(lambda: 1) == 1
            release.set()

    anyio.run(main)


@pytest.mark.parametrize("slots", [1, 3])
def test_long_work_gets_done(slots: int) -> None:
    async def main() -> int:
        return await DecodeSlots(slots).run(lambda: 1, is_long=True)

    assert anyio.run(main) == 1
