"""`soundseek library`: the group of commands that keep a library in order."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import click

from soundseek.cli.lazy import Entry, LazyGroup
from soundseek.cli.options import example

_UPKEEP = "soundseek.cli.upkeep"

COMMANDS: Mapping[str, Entry] = MappingProxyType(
    {
        "status": Entry(f"{_UPKEEP}:status", "How much is in it, and where it is."),
        "verify": Entry(f"{_UPKEEP}:verify", "Check that nothing is damaged."),
        "failures": Entry(f"{_UPKEEP}:failures", "Files that could not be read, and why."),
        "caption": Entry(
            "soundseek.cli.library_caption:caption", "Say in words what every sound is."
        ),
        "export": Entry(f"{_UPKEEP}:export", "Write all of it to a file."),
        "remove": Entry(f"{_UPKEEP}:remove", "Forget files; the files themselves stay."),
    }
)


@click.group(cls=LazyGroup, table=COMMANDS, epilog=example("soundseek library status"))
def library() -> None:
    """Keep a library in order.

    A library is a folder that holds what soundseek knows of your sounds, not the sounds.
    """
