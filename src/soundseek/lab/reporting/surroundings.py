"""What a run ran on, as its report says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from soundseek.lab.reporting.document import Block, Code, Heading, Listing, Paragraph, Text


def environment(sessions: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    """The last of a run's sessions, and when all of them began; nothing where none is noted."""
    if not sessions:
        return
    last = sessions[-1]
    yield Heading("Environment")
    begun = ", ".join(str(one.get("started")) for one in sessions)
    yield Paragraph(
        f"Started {begun}."
        if len(sessions) == 1
        else f"{len(sessions)} sessions, started {begun}. The last:"
    )
    commit = last.get("commit")
    gpus = ", ".join(f"{gpu['name']} ({gpu['memory_gb']} GB)" for gpu in last.get("gpus") or ())
    threads = ", ".join(f"{name} {n}" for name, n in (last.get("threads") or {}).items())
    packages = ", ".join(f"{name} {v}" for name, v in (last.get("packages") or {}).items())
    items: list[Text] = [
        ("Command: ", Code(str(last.get("command", "")))),
        f"soundseek {last.get('soundseek')}" + (f", commit {commit}" if commit else ""),
        f"Python {last.get('python')}, {last.get('system')}",
        f"{last.get('processor')}, {last.get('processors')} processors, "
        f"{last.get('memory_gb')} GB of memory",
        f"GPU: {gpus}; CUDA {last.get('cuda')}" if gpus else "No GPU",
        f"Threads: {threads}",
        f"Packages: {packages}",
    ]
    yield Listing(tuple(items))
