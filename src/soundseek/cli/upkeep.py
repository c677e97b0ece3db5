"""The commands of `soundseek library`: status, verify, failures, export, remove."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from soundseek.cli.exits import DONE, DONE_WITH_FAILURES
from soundseek.cli.options import (
    example,
    json_option,
    library_option,
    model_option,
    open_for_reading,
)
from soundseek.cli.terminal import (
    amount_of_sound,
    count,
    faint,
    say,
    say_bytes,
    say_json,
    shown_path,
    size,
    strong,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from soundseek.library import Library

ExportFormat = Literal["csv", "json", "jsonl", "npz"]

_ENDINGS: dict[str, ExportFormat] = {
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".npz": "npz",
}


@click.command(epilog=example("soundseek library status", "soundseek library status --json"))
@json_option
@library_option
def status(as_json: bool, library_path: Path) -> None:
    """Tell how much is in the library, where it is, and which model made it."""
    with open_for_reading(library_path) as library:
        state = library.status()
    if as_json:
        say_json({"library": str(library_path), **state.to_dict()})
        return
    say(strong(shown_path(library_path)))
    facts = {
        "files": f"{state.files:,}, with {count(state.clips, 'different sound')}",
        "sound": f"{amount_of_sound(state.duration_s)}, in {count(state.windows, 'window')}",
        "missing": f"{state.missing:,}" if state.missing else "none",
        "unreadable": f"{state.failed:,}" if state.failed else "none",
        "captions": f"of {count(state.captioned, 'sound')}" if state.captioned else "none",
        "model": f"{state.bundle} ({state.fingerprint[:12]})",
        "size": size(state.size_bytes),
    }
    for fact, value in facts.items():
        say(f"  {fact:<11} {value}")
    for number, root in enumerate(state.roots):
        say(f"  {'' if number else 'from':<11} {shown_path(root)}")


@click.command(epilog=example("soundseek library verify", "soundseek library verify --deep"))
@click.option("--deep", is_flag=True, help="Also read every file and compare its hash.")
@json_option
@library_option
def verify(deep: bool, as_json: bool, library_path: Path) -> int:
    """Check the library, and that its files are still there.

    Ends with 0 when all is well, and with 1 when there is a problem.
    """
    with open_for_reading(library_path) as library:
        report = library.verify(deep=deep)
    if as_json:
        say_json({"library": str(library_path), **report.to_dict()})
    else:
        for problem in report.problems:
            say(problem)
        checked = f"{count(report.clips, 'sound')} and {count(report.files, 'file')} checked"
        outcome = "all is well" if report.ok else count(len(report.problems), "problem")
        say(strong(f"{checked}: {outcome}"))
    return DONE if report.ok else DONE_WITH_FAILURES


@click.command(
    epilog=example("soundseek library failures", "soundseek index ~/sounds --retry-failed")
)
@json_option
@library_option
def failures(as_json: bool, library_path: Path) -> None:
    """List all files that could not be read, and why."""
    with open_for_reading(library_path) as library:
        failed = library.failures()
    if as_json:
        say_json({"failures": [failure.to_dict() for failure in failed]})
        return
    for failure in failed:
        say(shown_path(failure.path))
        say(faint(f"    {failure.reason}"))
    say(faint(f"{count(len(failed), 'file')} could not be read"), err=True)


@click.command(
    epilog=example(
        "soundseek library export sounds.csv",
        "soundseek library export vectors.npz",
    )
)
@click.argument("destination", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "file_format",
    type=click.Choice(list(_ENDINGS.values())),
    help="What to write; by default what the ending of FILE says.",
)
@library_option
def export(destination: Path, file_format: ExportFormat | None, library_path: Path) -> None:
    """Write all of the library to FILE; - is stdout.

    csv, json and jsonl have a row for each file; npz has the vectors as well.
    """
    chosen = file_format or _ENDINGS.get(destination.suffix.lower())
    if chosen is None:
        raise click.UsageError(
            f"the ending of {destination.name!r} is none of {', '.join(_ENDINGS)}; "
            "choose with --format"
        )
    with open_for_reading(library_path) as library:
        if str(destination) == "-":
            _export_to_stdout(library, chosen)
            return
        written = library.export(destination, format=chosen)
    say(f"{count(written, 'row')} in {shown_path(destination)}")


def _export_to_stdout(library: Library, chosen: ExportFormat) -> None:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="soundseek-") as folder:
        whole = Path(folder, f"export.{chosen}")
        library.export(whole, format=chosen)
        say_bytes([whole.read_bytes()])


@click.command(
    epilog=example("soundseek library remove ~/sounds/drafts", "soundseek library remove --missing")
)
@click.argument("patterns", metavar="[PATH|GLOB]...", nargs=-1)
@click.option("--missing", is_flag=True, help="Forget all files that are gone.")
@json_option
@library_option
@model_option
def remove(
    patterns: Sequence[str], missing: bool, as_json: bool, library_path: Path, model: str | None
) -> None:
    """Forget files: the library no longer finds them. The files themselves stay.

    Files that are still in an indexed folder come back with the next 'soundseek index', unless
    that folder itself is forgotten.
    """
    if not patterns and not missing:
        raise click.UsageError("name files to forget, or say --missing")
    from soundseek.library import Library

    with Library.open(library_path, bundle=model) as library:
        removed = library.remove(list(patterns), missing=missing)
    if as_json:
        say_json({"library": str(library_path), "removed": removed})
    else:
        say(f"{count(removed, 'file')} forgotten; nothing was deleted from the disk")
