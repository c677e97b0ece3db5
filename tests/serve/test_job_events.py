"""A job as server-sent events, read as a browser reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import anyio
import pytest

pytest.importorskip("fastapi")

from soundseek.serve.job_events import job_events, last_event_id
from soundseek.serve.jobs import Job

JOB = Job("a", 1, "queued", "2026-01-01T00:00:00+00:00")


def told(job: Job) -> dict[str, Any]:
    return {"state": job.state, "done": job.done, "current": job.current}


def collected(states: list[Job], **options: Any) -> list[str]:
    stream: Iterator[Job] = iter(states)
    last = states[-1]

    async def main() -> list[str]:
        return [text async for text in job_events(lambda: next(stream, last), told, **options)]

    return anyio.run(main)


def parsed(texts: list[str]) -> list[dict[str, str]]:
    """Split a stream into events as the HTML standard says; comments are dropped."""
    events = []
    for block in "".join(texts).split("\n\n"):
        fields = {}
        for line in block.split("\n"):
            if line and not line.startswith(":"):
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
        if fields:
            events.append(fields)
    return events


def test_from_start_to_end() -> None:
    running = replace(JOB, version=2, state="running", done=3, current="/a\nb é.wav")
    over = replace(running, version=5, state="done", done=9)
    retry, *events = parsed(collected([JOB, running, running, over]))
    assert retry == {"retry": "2000"}
    assert [(one["id"], one["event"]) for one in events] == [
        ("1", "progress"),
        ("2", "progress"),
        ("5", "done"),
    ]
    assert json.loads(events[1]["data"])["current"] == "/a\nb é.wav"
    assert json.loads(events[2]["data"]) == told(over)


@pytest.mark.parametrize(
    ("state", "name"), [("done", "done"), ("cancelled", "done"), ("failed", "error")]
)
def test_the_last_event(state: Any, name: str) -> None:
    (_, event) = parsed(collected([replace(JOB, state=state)]))
    assert event["event"] == name


def test_a_client_that_comes_back_gets_what_it_missed() -> None:
    running = replace(JOB, version=7, state="running")
    over = replace(JOB, version=8, state="done")
    assert [one["id"] for one in parsed(collected([running, over], seen=7))[1:]] == ["8"]
    assert [one["id"] for one in parsed(collected([running, over], seen=3))[1:]] == ["7", "8"]


def test_silence_is_filled_with_comments() -> None:
    over = replace(JOB, version=2, state="done")
    texts = collected([JOB, JOB, JOB, over], heartbeat_s=0)
    assert sum(text.startswith(":") for text in texts) >= 2
    assert all(text.endswith("\n\n") for text in texts)


def test_the_end_of_the_server_ends_the_stream() -> None:
    running = replace(JOB, version=2, state="running")
    events = parsed(collected([running], stopped=lambda: True))
    assert [one["event"] for one in events[1:]] == ["progress"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [(None, 0), ("", 0), ("12", 12), ("-1", 0), ("x", 0), ("1" * 40, 0), ("٣", 0)],
)
def test_last_event_id(header: str | None, expected: int) -> None:
    assert last_event_id(header) == expected
