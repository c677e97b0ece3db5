from __future__ import annotations

import io
import sys

import pytest

from soundseek.cli.progress import described, plain_lines, progress
from soundseek.library.reports import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def state(done: int, *, total: int = 10, audio_s: float = 0.0, failed: int = 0) -> Progress:
    return Progress(done=done, total=total, path="/x.wav", audio_s=audio_s, failed=failed)


def test_what_is_told() -> None:
    told = described(state(5, audio_s=3600, failed=2), elapsed_s=2.0)
    assert told == "1.0 h of sound, 1,800 × real time, 2.0 s left, 2 unreadable"


def test_nothing_is_guessed_at_the_start_or_the_end() -> None:
    assert described(state(0), elapsed_s=0.0) == "0 s of sound"
    assert "left" not in described(state(10, audio_s=60), elapsed_s=5.0)


def test_plain_lines_come_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    on_progress = plain_lines(interval_s=5, now=clock)
    for second in range(12):
        clock.now = 100.0 + second
        on_progress(state(second, total=1200))
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(",")[0] for line in err.splitlines()] == ["5/1", "10/1"]
    assert err.startswith("5/1,200 files, 0 s of sound, ")


def test_a_bar_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with progress() as on_progress:
        on_progress(state(3, audio_s=60))
    assert "3/10" in terminal.getvalue()
    assert "1.0 min of sound" in terminal.getvalue()


def test_elsewhere_rich_is_not_even_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setitem(sys.modules, "rich", None)
    with progress() as on_progress:
        on_progress(state(1))
