"""`soundseek duplicates`: sounds that are in the library more than once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from soundseek.cli.options import example, json_option, library_option, open_for_reading
from soundseek.cli.terminal import count, faint, length, say, say_json, shown_path, size, strong

if TYPE_CHECKING:
    from soundseek.library.duplicates import DuplicateFile, DuplicateGroup


@click.command(
    epilog=example("soundseek duplicates", "soundseek duplicates --threshold 0.97 --json")
)
@click.option(
    "--threshold",
    type=click.FloatRange(min=0.0, max=1.0, min_open=True),
    default=0.99,
    show_default=True,
    help="How alike sounds must be; 1 lists identical files only.",
)
@json_option
@library_option
def duplicates(threshold: float, as_json: bool, library_path: Path) -> None:
    """List sounds that are there twice: identical files, and files that sound the same.

    Nothing is deleted.
    """
    with open_for_reading(library_path) as library:
        groups = library.duplicates(threshold=threshold)
    if as_json:
        say_json({"groups": [group.to_dict() for group in groups]})
        return
    for group in groups:
        _print_group(group)
    say(faint(f"{count(len(groups), 'group')} in {shown_path(library_path)}"), err=True)


def _print_group(group: DuplicateGroup) -> None:
    same = "identical" if group.kind == "exact" else f"sound the same ({group.similarity:.3f})"
    say(strong(f"{count(len(group.files), 'file')}, {same}"))
    for file in group.files:
        say(f"  {shown_path(file.path)}  {faint(_facts(file))}")


def _facts(file: DuplicateFile) -> str:
    return ", ".join(
        (
            length(file.duration_s),
            file.format,
            f"{file.sample_rate:,} Hz",
            count(file.channels, "channel"),
            size(file.size_bytes),
        )
    )
