"""`soundseek search`: from a description, or a sound like it, to a ranked list of files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from soundseek.audio.quiet import native_messages_silenced
from soundseek.cli.options import (
    example,
    library_option,
    model_option,
    open_for_reading,
    seconds,
)
from soundseek.cli.results import Answer, Output, note_unknown_words, print_answers
from soundseek.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from soundseek.library import Library


@click.command(
    epilog=example(
        'soundseek search "rain on a tin roof"',
        'soundseek search "door slams" --max-duration 3 --without "music" -k 5',
        "soundseek search --like bark.wav --m3u > barks.m3u",
        'soundseek search "waves" -0 | xargs -0 -I{} cp {} picks/',
    )
)
@click.argument("words", metavar='"DESCRIPTION"', nargs=-1)
@click.option("--like", metavar="FILE", help="A sound to resemble; alone, or with a description.")
@click.option("--without", metavar='"..."', help="A sound that should not be heard.")
@click.option("-k", "k", type=int, default=10, show_default=True, help="Number of sounds.")
@click.option("--min-duration", metavar="TIME", callback=seconds, help="Such as 90 or 1:30.")
@click.option("--max-duration", metavar="TIME", callback=seconds, help="Such as 90 or 1:30.")
@click.option("--folder", "folders", metavar="DIR", multiple=True, help="Only below (repeatable).")
@click.option("--format", "formats", metavar="wav", multiple=True, help="Only these (repeatable).")
@click.option("--no-names", is_flag=True, help="By sound alone: ignore names, tags, captions.")
@click.option(
    "--captions",
    "captions_weight",
    metavar="WEIGHT",
    type=click.FloatRange(0, 1),
    help="How much captions count beside the sound, 0 to 1.",
)
@click.option("--no-captions", is_flag=True, help="Let captions not count.")
@click.option(
    "--generated-captions", is_flag=True, help="Let those of a captioner count, not people's alone."
)
@click.option("--queries", metavar="FILE", help="Many descriptions, one a line; - is stdin.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a table for programs.")
@click.option("--m3u", "as_m3u", is_flag=True, help="Print a playlist.")
@click.option("-0", "--print0", is_flag=True, help="Print paths that end in NUL, for xargs -0.")
@library_option
@model_option
def search(
    words: Sequence[str],
    like: str | None,
    without: str | None,
    k: int,
    min_duration: float | None,
    max_duration: float | None,
    folders: Sequence[str],
    formats: Sequence[str],
    no_names: bool,
    captions_weight: float | None,
    no_captions: bool,
    generated_captions: bool,
    queries: str | None,
    as_json: bool,
    as_csv: bool,
    as_m3u: bool,
    print0: bool,
    library_path: Path,
    model: str | None,
) -> None:
    """Find sounds by describing them.

    What a file sounds like decides, and its name, tags and captions help. "where" is the part of
    the file that fits best, "sound" tells how well it does (1 is a perfect match, 0 is
    unrelated), and "name" is the place among the files whose names or captions have its words.
    """
    output = _output(as_json, as_csv, as_m3u, print0)
    text = " ".join(words) if words else None
    if queries is None and text is None and like is None:
        raise click.UsageError('describe a sound: soundseek search "rain on a tin roof"')
    if queries is not None and (text is not None or like is not None):
        raise click.UsageError("--queries FILE takes the place of a description and of --like")
    if no_captions and captions_weight is not None:
        raise click.UsageError("--captions and --no-captions cannot go together: choose one")
    texts = None if queries is None else _read_queries(queries)

    def find(library: Library) -> list[Answer]:
        options: dict[str, Any] = {
            "like": like,
            "without": without,
            "k": k,
            "min_duration": min_duration,
            "max_duration": max_duration,
            "folders": folders,
            "formats": formats,
            "hybrid": not no_names,
            "generated_captions": generated_captions,
        }
        if no_captions or captions_weight is not None:
            options["captions_weight"] = captions_weight or 0.0
        if texts is None:
            return [Answer(text, library.search(text, **options))]
        found = library.search_many(texts, **options)
        return [Answer(query, hits) for query, hits in zip(texts, found, strict=True)]

    with native_messages_silenced(), open_for_reading(library_path, model) as library:
        answers = find(library)
        note_unknown_words(library.bundle, [answer.query or "" for answer in answers])
    print_answers(answers, output, batch=texts is not None, library_path=library_path)


def _output(as_json: bool, as_csv: bool, as_m3u: bool, print0: bool) -> Output:
    asked = [
        output
        for output, flag in {
            Output.JSON: as_json,
            Output.CSV: as_csv,
            Output.M3U: as_m3u,
            Output.PRINT0: print0,
        }.items()
        if flag
    ]
    if len(asked) > 1:
        names = " and ".join(output.value for output in asked)
        raise click.UsageError(f"{names} cannot go together: choose one")
    return asked[0] if asked else Output.TABLE


def _read_queries(name: str) -> list[str]:
    """Return the lines that are not blank; raises `QueryError` if there is none."""
    content, where = _standard_input() if name == "-" else (Path(name).read_bytes(), name)
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise QueryError(
            f"the queries in {where} are not UTF-8 text (byte {error.start})",
            remedy="save the file as UTF-8, one description a line",
        ) from error
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise QueryError(f"there is no query in {where}", remedy="write one description a line")
    return texts


def _standard_input() -> tuple[bytes, str]:
    """Return what comes through stdin, which may be closed, and what to call it."""
    return (b"" if sys.stdin is None else sys.stdin.buffer.read()), "the standard input"
