"""`soundseek evaluate captions`: captions against those that people gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from soundseek.cli.caption_figures import as_means, tell
from soundseek.cli.extras import needing_lab
from soundseek.cli.figures import document_of, print_figures
from soundseek.cli.options import example, json_option
from soundseek.cli.terminal import count, faint, say, say_json, shown_path, strong

if TYPE_CHECKING:
    from soundseek.lab.fluency import Judgement
    from soundseek.metrics.captions import CaptionEvaluation

_file = click.Path(path_type=Path, dir_okay=False)
_folder = click.Path(path_type=Path, file_okay=False)


@click.command(
    epilog=example(
        "soundseek evaluate captions both.csv",
        "soundseek evaluate captions --references clotho.csv --predictions mine.csv",
        "soundseek evaluate captions both.csv --spice spice.csv --json",
    )
)
@click.argument("both", type=_file, required=False, metavar="[FILE]")
@click.option(
    "--predictions",
    "--captions",
    "predictions",
    type=_file,
    help="What a system said: id (or file_name), prediction (or caption_predicted).",
)
@click.option(
    "--references",
    type=_file,
    help="What people said: id (or file_name), reference_1,… (or caption_1,…, as in Clotho).",
)
@click.option(
    "--spice", type=_file, metavar="FILE", help="SPICE of each clip: a CSV id,spice or JSON."
)
@click.option(
    "--spice-folder", type=_folder, metavar="DIR", help="Where SPICE's parser is, to compute it."
)
@click.option(
    "--fetch-spice", is_flag=True, help="Download SPICE's parser (0.4 GB) if it is not there."
)
@click.option("--fense-folder", type=_folder, metavar="DIR", help="Where the models of FENSE are.")
@click.option(
    "--meteor/--no-meteor",
    default=None,
    help="Insist on METEOR, or leave it out; by default it is computed where Java is.",
)
@click.option(
    "--compare", "other", type=_file, metavar="FILE", help="Another system's: is one better?"
)
@click.option("--per-clip", type=_file, metavar="FILE", help="Write a CSV of each clip's scores.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Of the random draws of intervals and of --compare.",
)
@json_option
def captions(
    both: Path | None,
    predictions: Path | None,
    references: Path | None,
    spice: Path | None,
    spice_folder: Path | None,
    fetch_spice: bool,
    fense_folder: Path | None,
    meteor: bool | None,
    other: Path | None,
    per_clip: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Score captions: BLEU, METEOR, ROUGE-L, CIDEr, SPICE, SPIDEr, FENSE.

    FILE holds both sides, id,prediction,reference_1,reference_2,…; or each side has its own file.
    The numbers are those of the COCO tools. What cannot be computed here is named with what to do
    about it, and the rest is printed.
    """
    from soundseek.metrics.captions import (
        evaluate_captions,
        read_captions,
        read_scores,
        write_per_clip,
    )

    if (both is None) == (predictions is None):
        raise click.UsageError("give FILE with both sides, or --predictions and --references")
    source = both or predictions
    assert source is not None
    said, right = _sides(source, references)
    scores = None if spice is None else read_scores(spice, "spice")
    parser = _parser_folder(spice_folder, fetch_spice)
    systems: list[tuple[Mapping[str, str], CaptionEvaluation]] = []
    for path in (source, other):
        if path is None:
            continue
        if path is other:
            # SPICE by --spice is of the first system alone.
            table, scores = read_captions(path), None
            if table.predictions is None:
                raise click.UsageError(f"--compare: {path} has no column prediction")
            said = table.predictions
        judged = _judged(said, right, fense_folder)
        found = evaluate_captions(
            said,
            right,
            spice=scores,
            spice_folder=parser,
            meteor=meteor,
            seed=seed,
            fluency_errors=None if judged is None else judged.errors,
            similarities=None if judged is None else judged.similarities,
        )
        systems.append((said, found))
    if per_clip is not None:
        write_per_clip(per_clip, *systems[0])
        say(faint(f"per clip: {shown_path(per_clip)}"), err=True)
    document = document_of([as_means(found) for _, found in systems], other, seed)
    first = systems[0][1]
    document |= {"missing": dict(first.missing)}
    if as_json:
        document |= {"tokeniser": first.tokeniser, "empty": list(first.empty)}
        say_json(document)
    else:
        texts = sum(map(len, right.values()))
        say(strong(f"{count(first.n, 'clip')}, {count(texts, 'reference')}"))
        print_figures(document)
    for path, (_, found) in zip((source, other), systems, strict=False):
        tell(found, "" if other is None else f"{shown_path(str(path))}: ", quiet=as_json)


def _sides(
    source: Path, references: Path | None
) -> tuple[Mapping[str, str], Mapping[str, Sequence[str]]]:
    from soundseek.metrics.captions import read_captions

    table = read_captions(source)
    if table.predictions is None:
        raise click.UsageError(f"{source} has no column prediction")
    if references is None:
        if table.references is None:
            raise click.UsageError(f"{source} has no references: give them by --references")
        return table.predictions, table.references
    if table.references is not None:
        raise click.UsageError(f"{source} has references of its own: leave out --references")
    right = read_captions(references)
    if right.references is None:
        raise click.UsageError(f"{references} has no column reference_1 or caption_1")
    return table.predictions, right.references


def _parser_folder(chosen: Path | None, fetch: bool) -> Path | None:
    """Where SPICE's parser is; None leaves the usual places."""
    from soundseek.bundle.places import data_home, expanded
    from soundseek.metrics.captions.spice import parser_files

    folder = None if chosen is None else expanded(chosen)
    own = data_home() / "soundseek" / "spice"
    if folder is None and parser_files(None) is None and (fetch or parser_files(own)):
        folder = own
    if fetch and parser_files(folder) is None:
        from soundseek.cli.spice_parser import fetch_parser

        fetch_parser(folder or own)
    return folder


def _judged(
    said: Mapping[str, str], right: Mapping[str, Sequence[str]], folder: Path | None
) -> Judgement | None:
    if folder is None:
        return None
    with needing_lab():
        from soundseek.lab.fluency import judge
    # Clips that one side lacks are refused by the evaluation, with what to do about it.
    common = {clip: text for clip, text in said.items() if clip in right}
    return judge(common, right, folder)
