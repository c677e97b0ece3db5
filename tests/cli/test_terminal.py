from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseek.cli import terminal


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (7.9, "0:07"), (59.999, "0:59"), (750, "12:30"), (3723, "1:02:03")],
)
def test_clock(seconds: float, text: str) -> None:
    assert terminal.clock(seconds) == text


@given(st.integers(0, 10**6))
def test_clock_keeps_every_second(seconds: int) -> None:
    parts = [int(part) for part in terminal.clock(seconds).split(":")]
    total = 0
    for part in parts:
        total = total * 60 + part
    assert total == seconds


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (12, 15, "0:12–0:15"),
        (2.88, 5.775, "0:02–0:06"),
        (0, 2.04, "0:00–0:02"),
        (0, 0.05, "0:00.0–0:00.1"),
        (59.96, 60.5, "1:00.0–1:00.5"),
    ],
)
def test_span(start: float, end: float, text: str) -> None:
    assert terminal.span(start, end) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.05, "0.1 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1:00")],
)
def test_length(seconds: float, text: str) -> None:
    assert terminal.length(seconds) == text


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (4_100_000, "4.1 MB"), (10**16, "10000.0 TB")],
)
def test_size(n_bytes: int, text: str) -> None:
    assert terminal.size(n_bytes) == text


def test_amounts_of_sound() -> None:
    amounts = [terminal.amount_of_sound(seconds) for seconds in (12, 270, 7560, 36_000_000)]
    assert amounts == ["12 s", "4.5 min", "2.1 h", "10,000.0 h"]


def test_count_chooses_the_noun() -> None:
    assert terminal.count(1, "copy", "copies") == "1 copy"
    assert terminal.count(1203, "file") == "1,203 files"


def test_a_path_is_shown_from_here_where_that_is_shorter(home: Path) -> None:
    assert terminal.shown_path(home / "a" / "b.wav") == str(Path("a", "b.wav"))
    assert terminal.shown_path("/b.wav") == "/b.wav"


def test_a_file_name_cannot_steer_the_terminal() -> None:
    assert terminal.shown_path("a\x1b[31m\nb.wav") == r"a\x1b[31m\nb.wav"
    assert terminal.shown_path("größe 雨.wav") == "größe 雨.wav"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_json_can_be_read_back_whatever_stdout_encodes(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = {"path": os.fsdecode(b"/r\xe4in/\xff.wav"), "query": "雨 ü"}
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    terminal.say_json(document)
    stream.flush()
    assert json.loads(raw.getvalue().decode(encoding)) == document


def test_what_cannot_be_encoded_is_printed_as_an_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    terminal.say("0:01–0:02 \udcff")
    stream.flush()
    assert raw.getvalue() == rb"0:01\u20130:02 \udcff" + b"\n"


def test_no_stream_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    terminal.say("nobody listens")


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals_and_can_be_refused(
    variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    terminal.say(terminal.strong("rain"))
    assert ("\x1b[" in stream.getvalue()) is coloured


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_remarks_that_nobody_can_read_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(sys, "stderr", full)
        with pytest.raises(OSError, match="No space"):
            terminal.say("a result")
        terminal.say("a remark", err=True)
        terminal.say("another", err=True)
