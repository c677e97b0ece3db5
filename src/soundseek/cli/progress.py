"""How far indexing or captioning is: a bar on a terminal, else a line now and then, on stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from soundseek.cli.terminal import amount_of_sound, length, say

if TYPE_CHECKING:
    from soundseek.library.reports import Progress

PLAIN_INTERVAL_S = 5.0

OnProgress = Callable[["Progress"], None]


@contextmanager
def progress(doing: str = "listening", what: str = "files") -> Iterator[OnProgress]:
    """Give a function that shows the `Progress` it is called with: `doing` it to so many `what`."""
    if sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _bar(doing) as on_progress:
            yield on_progress
    else:
        yield plain_lines(what=what)


def plain_lines(
    *,
    interval_s: float = PLAIN_INTERVAL_S,
    now: Callable[[], float] = time.monotonic,
    what: str = "files",
) -> OnProgress:
    """Return a function that prints a line on stderr, at most one every `interval_s` seconds."""
    started = last = now()

    def on_progress(state: Progress) -> None:
        nonlocal last
        moment = now()
        if moment - last < interval_s:
            return
        last = moment
        so_far = described(state, moment - started)
        say(f"{state.done:,}/{state.total:,} {what}, {so_far}", err=True)

    return on_progress


def described(state: Progress, elapsed_s: float) -> str:
    """Return how much sound was heard, how fast, how long it will take, and what failed."""
    parts = [f"{amount_of_sound(state.audio_s)} of sound"]
    if elapsed_s > 0 and state.audio_s > 0:
        parts.append(f"{state.audio_s / elapsed_s:,.0f} × real time")
    if 0 < state.done < state.total and elapsed_s >= 1:
        parts.append(f"{length(elapsed_s / state.done * (state.total - state.done))} left")
    if state.failed:
        parts.append(f"{state.failed:,} unreadable")
    return ", ".join(parts)


@contextmanager
def _bar(doing: str) -> Iterator[OnProgress]:
    from rich import progress as rich_progress
    from rich.console import Console

    columns = (
        rich_progress.TextColumn(doing),
        rich_progress.BarColumn(bar_width=24),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn("{task.fields[text]}", markup=False),
    )
    with rich_progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, text="")
        started = time.monotonic()

        def on_progress(state: Progress) -> None:
            text = described(state, time.monotonic() - started)
            bar.update(task, completed=state.done, total=state.total, text=text)

        yield on_progress
