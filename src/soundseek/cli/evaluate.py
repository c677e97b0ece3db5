"""`soundseek evaluate`: how good a system is, from its files of predictions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from soundseek.cli.figures import document_of, print_figures, rounded
from soundseek.cli.lazy import Entry, LazyGroup
from soundseek.cli.options import example, json_option
from soundseek.cli.terminal import count, faint, say, say_json, shown_path, strong

if TYPE_CHECKING:
    from soundseek.metrics.dcase import Evaluation, Matched

_HERE = "soundseek.cli.evaluate"
_LISTED = 10

COMMANDS: Mapping[str, Entry] = MappingProxyType(
    {
        "retrieval": Entry(f"{_HERE}:retrieval", "Files of predictions against the truth."),
        "captions": Entry(
            "soundseek.cli.evaluate_captions:captions", "Captions against people's captions."
        ),
        "run": Entry("soundseek.cli.evaluate_run:run", "A run, an ensemble or a model on clips."),
        "submission": Entry(
            "soundseek.cli.evaluate_submission:submission", "Files for a DCASE challenge."
        ),
    }
)

_EXAMPLES = (
    "soundseek evaluate retrieval --truth clotho.csv --predictions mine.output.csv",
    "soundseek evaluate retrieval --truth clotho.csv --predictions mine.csv --compare other.csv",
)


@click.group(cls=LazyGroup, table=COMMANDS, epilog=example(_EXAMPLES[0]))
def evaluate() -> None:
    """Score a system, or files of predictions."""


_file = click.Path(path_type=Path, dir_okay=False)


@click.command(epilog=example(*_EXAMPLES))
@click.option(
    "--truth",
    type=_file,
    required=True,
    help="What is right: file_name,caption_1,… (Clotho) or query,audio_filenames (DCASE 2025).",
)
@click.option(
    "--predictions",
    type=_file,
    required=True,
    help="What the system answered: caption,file_name_1,… (DCASE 2022 to 2024) or a score matrix, "
    "index (or query) and one column a file (DCASE 2025).",
)
@click.option(
    "--compare", "other", type=_file, metavar="FILE", help="Another system's: is one better?"
)
@click.option(
    "--per-query", type=_file, metavar="FILE", help="Write a CSV of what each query earned."
)
@click.option(
    "--direction",
    type=click.Choice(["text-to-audio", "audio-to-text", "both"]),
    default="text-to-audio",
    show_default=True,
    help="What is searched with what; texts are only found in a score matrix.",
)
@click.option("--allow-extra", is_flag=True, help="Texts and files unknown to the truth are fine.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Of the random draws by which --compare tests.",
)
@json_option
def retrieval(
    truth: Path,
    predictions: Path,
    other: Path | None,
    per_query: Path | None,
    direction: str,
    allow_extra: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Score predictions against the truth: R@k, mAP@k, median rank, 95 % jackknife intervals.

    The header of a file says which layout it has. An item that ties with a relevant one counts as
    ranked before it.
    """
    if per_query is not None and direction == "audio-to-text":
        raise click.UsageError("--per-query is about texts: leave out --direction audio-to-text")
    from soundseek.metrics.dcase import evaluated, match, read_predictions, read_truth

    right = read_truth(truth)
    systems = [
        match(right, read_predictions(path), allow_extra=allow_extra)
        for path in (predictions, other)
        if path is not None
    ]
    document: dict[str, Any] = {}
    if direction != "audio-to-text":
        of_texts = [evaluated(system.text_to_audio(), system.depth) for system in systems]
        document |= document_of(of_texts, other, seed)
    if direction != "text-to-audio":
        of_files = [evaluated(system.audio_to_text()[1]) for system in systems]
        document["audio_to_text"] = document_of(of_files, other, seed)
    if per_query is not None:
        _write_per_query(per_query, systems[0])
    if as_json:
        say_json(document)
        return
    if "metrics" in document:
        files = systems[0].n_files
        among = f" among {count(files, 'file')}" if files is not None else ""
        say(strong(f"text to audio: {count(document['n'], 'text')}{among}"))
        print_figures(document)
        for system, figures in zip(systems, of_texts, strict=True):
            _note_left_out(system, figures)
    if part := document.get("audio_to_text"):
        among = count(len(right.queries), "text")
        say(strong(f"audio to text: {count(part['n'], 'file')} among {among}"))
        print_figures(part)


def _note_left_out(system: Matched, figures: Evaluation) -> None:
    if system.depth is not None and figures.left_out:
        say(
            f"note: {shown_path(system.predictions.path)} names {count(system.depth, 'file')} a "
            f"text, too few for {', '.join(figures.left_out)}",
            err=True,
        )


def _write_per_query(path: Path, system: Matched) -> None:
    import json
    import math

    from soundseek.metrics import average_precision_at
    from soundseek.metrics.dcase.tables import write_table

    positions = system.text_to_audio()
    precisions = average_precision_at(positions, _LISTED).tolist()
    first = positions.places[:, 0].tolist()
    names = system.first_names(_LISTED)
    relevant = system.truth.names_of()
    known = system.depth is None or system.depth >= _LISTED
    listed = len(names[0])
    write_table(
        path,
        ["query", "rank", "AP@10", *(f"file_name_{i + 1}" for i in range(listed)), "relevant"],
        (
            [
                query,
                int(first[i]) if math.isfinite(first[i]) else "",
                rounded(precisions[i]) if known else "",
                *names[i],
                json.dumps(relevant[i], ensure_ascii=False),
            ]
            for i, query in enumerate(system.truth.queries)
        ),
    )
    say(faint(f"per query: {shown_path(path)}"), err=True)
