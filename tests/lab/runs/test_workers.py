from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from soundseek.lab.runs.workers import Event, Failure, Workers, threads_each
from support import tasks

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def finished(workers: Workers, n: int) -> dict[str, Event]:
    """The last event of `n` tasks."""
    found: dict[str, Event] = {}
    deadline = time.monotonic() + 60
    while len(found) < n and time.monotonic() < deadline:
        for event in workers.events(10):
            if event.kind != "told":
                found[event.key] = event
    return found


def lives(process: int) -> bool:
    """Whether a process runs (one that nobody has waited for does not)."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def ends(process: int) -> bool:
    deadline = time.monotonic() + 30
    while lives(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not lives(process)


def test_a_worker_does_one_task_after_the_other() -> None:
    with Workers(1, tasks.work) as workers:
        workers.give("a", ("double", 4))
        assert not workers.free
        first = finished(workers, 1)["a"]
        assert workers.free
        workers.give("b", ("double", 5))
        second = finished(workers, 1)["b"]
    assert (first.content[0], second.content[0]) == (8, 10)
    assert first.content[1] == second.content[1] != os.getpid()


def test_failures_stay_with_their_tasks() -> None:
    with Workers(2, tasks.work) as workers:
        workers.give("refused", ("refuse",))
        workers.give("dead", ("die",))
        found = finished(workers, 2)
        workers.give("full", ("full",))
        workers.give("bug", ("?",))
        found |= finished(workers, 2)
        workers.give("interrupted", ("interrupt",))
        found |= finished(workers, 1)
    assert all(event.kind == "failed" for name, event in found.items() if name != "interrupted")
    failures: dict[str, Failure] = {name: event.content for name, event in found.items()}
    assert failures["refused"].reason == "bad clip\n  → mend it"
    assert "signal 9" in failures["dead"].reason
    assert failures["full"].elsewhere
    assert not failures["refused"].elsewhere
    assert failures["bug"].reason == "ZeroDivisionError: division by zero"
    assert "tasks.py" in failures["bug"].details
    # Ctrl-C is the owner's to hear.
    assert found["interrupted"].content == "still here"


def test_no_worker_outlives_the_block() -> None:
    with Workers(1, tasks.work) as workers:
        workers.give("a", ("wait",))
        (event,) = workers.events(60)
        assert lives(event.content)
    assert not lives(event.content)


def test_no_worker_outlives_its_owner() -> None:
    owner = subprocess.Popen(
        [sys.executable, "-m", "support.tasks"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert owner.stdout is not None
    with owner.stdout:
        worker = int(owner.stdout.readline())
    assert lives(worker)
    owner.kill()
    owner.wait()
    assert ends(worker)


def test_the_cores_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundseek.lab.runs.workers._cores", lambda: 8)
    assert [threads_each(jobs) for jobs in (1, 2, 3, 20)] == [None, 4, 2, 1]
