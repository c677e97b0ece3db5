"""`soundseek index`: listen to folders of sounds, and say how it went."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from soundseek.audio.quiet import native_messages_silenced
from soundseek.cli.exits import DONE, DONE_WITH_FAILURES, INTERRUPTED
from soundseek.cli.options import example, json_option, library_option, model_option
from soundseek.cli.progress import progress
from soundseek.cli.terminal import (
    amount_of_sound,
    command,
    count,
    faint,
    say,
    say_json,
    shown_path,
    strong,
)
from soundseek.errors import LibraryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from soundseek.library.reports import Failure, IndexReport

SHOWN_FAILURES = 20


@click.command(
    epilog=example(
        "soundseek index ~/sounds",
        "soundseek index /mnt/effects --exclude drafts --tag effects",
    )
)
@click.argument("folders", metavar="[DIR]...", nargs=-1)
@library_option
@model_option
@click.option(
    "--include",
    metavar="GLOB",
    multiple=True,
    help="Only files whose name (or with / in it: path below DIR) matches (repeatable).",
)
@click.option(
    "--exclude", metavar="GLOB", multiple=True, help="No files or folders that match (repeatable)."
)
@click.option(
    "--tag", "tags", metavar="WORD", multiple=True, help="Tag for these files (repeatable)."
)
@click.option("--retry-failed", is_flag=True, help="Try again what could not be read before.")
@click.option("--rebuild", is_flag=True, help="Listen to every file again.")
@click.option("--captions", is_flag=True, help="Then say in words what every new sound is.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Processor cores to use.")
@json_option
def index(
    folders: Sequence[str],
    library_path: Path,
    model: str | None,
    include: Sequence[str],
    exclude: Sequence[str],
    tags: Sequence[str],
    retry_failed: bool,
    rebuild: bool,
    captions: bool,
    threads: int | None,
    as_json: bool,
) -> int:
    """Listen to the sounds in folders, so that they can be found.

    Sound files and the sound of videos are looked for in each DIR and below; a single file can
    be given as well; without DIR, the folders of the last times are looked through again. Your
    files are only read. Run it again whenever you like: only what is new or changed is listened
    to, and moved files are recognised.

    Ends with 0 when all is well, 1 when some files could not be read, 130 after Ctrl-C (all
    that was done until then is kept).
    """
    from soundseek.cli.library_caption import caption_all, caption_summary, load_for
    from soundseek.library import Library

    _check_that_there_are(folders)
    with (
        native_messages_silenced(),
        Library.open(library_path, bundle=model, create=bool(folders), rebuild=rebuild) as library,
    ):
        captioner = load_for(library) if captions else None  # before the long part
        with progress() as on_progress:
            report = library.index(
                list(folders),
                include=include,
                exclude=exclude,
                tags=tags or None,
                rebuild=rebuild,
                retry_failed=retry_failed,
                threads=threads,
                on_progress=on_progress,
            )
        said = None
        if captioner is not None and not report.interrupted:
            said = caption_all(library, captioner)
    if as_json:
        more = {} if said is None else {"captions": said.to_dict()}
        say_json({"library": str(library_path), **report.to_dict(), **more})
    else:
        _summarise(report, library_path)
        if said is not None:
            say(caption_summary(said))
    if report.interrupted or (said is not None and said.interrupted):
        return INTERRUPTED
    return DONE_WITH_FAILURES if report.failed else DONE


def _check_that_there_are(folders: Sequence[str]) -> None:
    """Refuse a mistyped folder before a library is made for it, or emptied by --rebuild."""
    for folder in folders:
        if not os.path.lexists(folder):
            missing = shown_path(folder) if folder else "folder with an empty name"
            raise LibraryError(f"there is no {missing}", remedy="check the path")


def _summarise(report: IndexReport, library_path: Path) -> None:
    say(strong(headline(report)))
    say(f"  {changes(report)}")
    if report.failed:
        say_failures(report.failed)
    say(faint(f"library: {shown_path(library_path)}"))
    if report.interrupted:
        say("Stopped early. What was done is kept; the same command goes on from here.", err=True)
    elif report.added or report.changed:
        suggestion = 'soundseek search "rain on a tin roof"'
        say(f"now try: {command(suggestion)}", err=True)


def headline(report: IndexReport) -> str:
    """Return what was listened to and how fast."""
    if report.duration_s == 0:
        return f"Nothing new to listen to ({report.seconds:.1f} s)"
    speed = report.duration_s / max(report.seconds, 1e-3)
    return (
        f"Listened to {amount_of_sound(report.duration_s)} of sound "
        f"in {report.seconds:.1f} s ({speed:,.0f} × real time)"
    )


def changes(report: IndexReport) -> str:
    """Return how many files were new, changed and so on, leaving out what did not happen."""
    numbers = {
        "new": report.added,
        "changed": report.changed,
        "moved or copied": report.moved,
        "known": report.unchanged,
        "missing": report.missing,
        "unreadable": len(report.failed),
    }
    return ", ".join(f"{n:,} {word}" for word, n in numbers.items() if n) or "no files"


def say_failures(failed: Sequence[Failure]) -> None:
    """List the first files that could not be read, with the reasons."""
    say(f"{count(len(failed), 'file')} could not be read:")
    for failure in sorted(failed, key=lambda one: one.path)[:SHOWN_FAILURES]:
        say(f"  {shown_path(failure.path)}")
        say(faint(f"      {failure.reason}"))
    if len(failed) > SHOWN_FAILURES:
        more = len(failed) - SHOWN_FAILURES
        say(f"  and {more:,} more: {command('soundseek library failures')} lists them all")
