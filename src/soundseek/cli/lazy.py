"""A group of commands whose modules are imported only when they run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True)
class Entry:
    """A row in a table of commands.

    Attributes:
        target: "module:attribute", the place of the command.
        summary: one line for the list of commands.
        section: the heading under which the list has it.
    """

    target: str
    summary: str
    section: str = "Commands"


class LazyGroup(click.Group):
    """A group over a table from name to `Entry`; listing it imports none of the commands."""

    def __init__(self, *args: Any, table: Mapping[str, Entry], **kwargs: Any) -> None:
        """`table` is in the order in which the commands are listed; the rest is click's."""
        super().__init__(*args, **kwargs)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the table's order."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; None if the table does not have it."""
        entry = self.table.get(cmd_name)
        if entry is None:
            return None
        from importlib import import_module

        module, _, attribute = entry.target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """A group that is called alone shows its help, which is what was wanted."""
        return super().parse_args(ctx, args or ["--help"])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one is refused with the nearest name."""
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(_unknown(name, list(self.table), ctx.command_path), ctx)
        if command is None:
            return super().resolve_command(ctx, args)
        return name, command, args[1:]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under their sections' headings."""
        width = max(map(len, self.table))
        for section in dict.fromkeys(entry.section for entry in self.table.values()):
            with formatter.section(section):
                formatter.write_dl(
                    [
                        (name.ljust(width), entry.summary)
                        for name, entry in self.table.items()
                        if entry.section == section
                    ]
                )


def _unknown(name: str, names: list[str], path: str) -> str:
    from difflib import get_close_matches

    nearest = get_close_matches(name, names, n=1, cutoff=0.5)
    if nearest:
        return f"there is no command {name!r}; did you mean: {path} {nearest[0]}"
    if "search" in names:
        return (
            f"there is no command {name!r}; "
            f'to find such a sound: {path} search "{name}" (commands: {", ".join(names)})'
        )
    return f"there is no command {name!r}; the commands are {', '.join(names)}"
