"""`soundseek moments`: where in one file it sounds as described."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from soundseek.audio.quiet import native_messages_silenced
from soundseek.cli.options import example, json_option, model_option
from soundseek.cli.results import note_unknown_words
from soundseek.cli.terminal import faint, say, say_json, shown_path, span

if TYPE_CHECKING:
    from soundseek.library.hits import Moment


@click.command(
    epilog=example(
        'soundseek moments interview.mp3 "laughter"',
        'soundseek moments street.wav "a siren passes" -k 3 --json',
    )
)
@click.argument("file", metavar="FILE")
@click.argument("words", metavar='"DESCRIPTION"', nargs=-1, required=True)
@click.option("-k", "k", type=int, default=5, show_default=True, help="Number of moments.")
@json_option
@model_option
def moments(file: str, words: Sequence[str], k: int, as_json: bool, model: str | None) -> None:
    """Find where in FILE it sounds as described.

    FILE can be any sound or video file, of any length; it need not be indexed.
    """
    from soundseek.bundle.load import load_bundle
    from soundseek.library.moments import find_moments

    text = " ".join(words)
    bundle = load_bundle(model)
    with native_messages_silenced():
        found = find_moments(bundle, file, text, k=k)
        note_unknown_words(bundle, [text])
    if as_json:
        say_json({"path": file, "query": text, "moments": [moment.to_dict() for moment in found]})
        return
    for line in moment_lines(found):
        say(line)
    say(faint(f"in {shown_path(file)}"), err=True)


def moment_lines(found: Sequence[Moment]) -> list[str]:
    """Return a table of moments, its heading first."""
    rows = [
        (str(moment.rank), f"{moment.score:.2f}", span(moment.start_s, moment.end_s))
        for moment in found
    ]
    heading = ("#", "sound", "where")
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in (heading, *rows)
    ]
    return [faint(lines[0]), *lines[1:]]
