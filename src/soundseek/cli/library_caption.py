"""`soundseek library caption`: words for every sound, by a captioner or by people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from soundseek.audio.quiet import native_messages_silenced
from soundseek.cli.exits import DONE, DONE_WITH_FAILURES, INTERRUPTED
from soundseek.cli.options import example, json_option, library_option, model_option
from soundseek.cli.progress import progress
from soundseek.cli.terminal import count, faint, say, say_json, shown_path, strong

if TYPE_CHECKING:
    from soundseek.library import Library
    from soundseek.library.captioning import Captioning
    from soundseek.library.reports import AddedCaptions, CaptionReport

SHOWN_UNKNOWN = 20


@click.command(
    epilog=example(
        "soundseek library caption",
        "soundseek library caption --from notes.csv",
    )
)
@click.option("--captioner", metavar="NAME", help="Name or path of a captioner.")
@click.option(
    "--from",
    "table",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Take captions that people wrote from a CSV file.",
)
@click.option("--again", is_flag=True, help="Also replace the captions that are there.")
@json_option
@library_option
@model_option
def caption(
    captioner: str | None,
    table: Path | None,
    again: bool,
    as_json: bool,
    library_path: Path,
    model: str | None,
) -> int:
    """Say in words what every sound is: to read, to export, and for searches to use.

    A captioner reads what the library has heard already; nothing is listened to again, and
    sounds that have its caption are passed over. With --from, the captions are yours: a CSV file
    with the columns path (or file_name) and caption (or caption_1, caption_2 ...). Yours are kept
    beside the captioner's, shown first, and count in searches; the captioner's count in a search
    with --generated-captions.

    Ends with 0 when all is well, 1 when a file in the table is not in the library, 130 after
    Ctrl-C (all that was done until then is kept).
    """
    if captioner is not None and table is not None:
        raise click.UsageError("--from FILE takes the place of a captioner")
    from soundseek.library import Library

    with native_messages_silenced(), Library.open(library_path, bundle=model) as library:
        if table is not None:
            return _added(library, table, again, as_json)
        report = caption_all(library, load_for(library, captioner), again=again)
    if as_json:
        say_json({"library": str(library_path), **report.to_dict()})
    else:
        say(strong(caption_summary(report)))
        say(faint(f"library: {shown_path(library_path)}"))
        if report.interrupted:
            say("Stopped early. The same command goes on from here.", err=True)
    return INTERRUPTED if report.interrupted else DONE


def load_for(library: Library, name: str | None = None) -> Captioning:
    """Return a captioner that reads the vectors of the library's model."""
    from soundseek.bundle.captioning.load import load_captioner

    captioner: Captioning = load_captioner(name, bundle=library.bundle)
    return captioner


def caption_all(library: Library, captioner: Captioning, *, again: bool = False) -> CaptionReport:
    """Caption a library, telling on stderr how far it is."""
    with progress("captioning", "sounds") as on_progress:
        return library.caption(captioner, again=again, on_progress=on_progress)


def caption_summary(report: CaptionReport) -> str:
    """Return how many sounds got a caption."""
    parts = [f"{count(report.captioned, 'sound')} captioned by {report.captioner}"]
    if report.known:
        parts.append(f"{report.known:,} had a caption")
    if report.empty:
        parts.append(f"{report.empty:,} without a word")
    return f"{', '.join(parts)} ({report.seconds:.1f} s)"


def _added(library: Library, table: Path, again: bool, as_json: bool) -> int:
    from soundseek.library.caption_files import read_captions

    report = library.add_captions(read_captions(table), again=again)
    if as_json:
        say_json({"library": str(library.folder), **report.to_dict()})
    else:
        _tell_added(report)
    return DONE_WITH_FAILURES if report.unknown else DONE


def _tell_added(report: AddedCaptions) -> None:
    parts = [f"{count(report.added, 'caption')} added to {count(report.clips, 'sound')}"]
    if report.known:
        parts.append(f"{report.known:,} known")
    if report.replaced:
        parts.append(f"{report.replaced:,} replaced")
    say(strong(", ".join(parts)))
    if report.unknown:
        say(f"{count(len(report.unknown), 'file')} of the table left out:")
    for one in report.unknown[:SHOWN_UNKNOWN]:
        say(f"  {shown_path(one.path)}")
        say(faint(f"      {one.reason}"))
    if len(report.unknown) > SHOWN_UNKNOWN:
        say(f"  and {len(report.unknown) - SHOWN_UNKNOWN:,} more: --json lists them all")
