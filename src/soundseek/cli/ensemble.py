"""`soundseek ensemble`: joining systems that are trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from soundseek.cli.extras import needing_lab
from soundseek.cli.figures import print_figures
from soundseek.cli.options import example, json_option
from soundseek.cli.terminal import count, faint, say, say_json, shown_path, strong

# The shortest figure that tells members apart.
_SHOWN = "mAP@10"


def _weights(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        return tuple(float(word) for word in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of numbers such as 2,1,1") from None


@click.command(
    epilog=example(
        "soundseek ensemble runs/a runs/b runs/c --out runs/abc",
        "soundseek ensemble runs/* --select greedy --scale zscore --out runs/best",
        "soundseek ensemble a.csv b.csv --truth clotho.csv --weights 2,1 --out joined",
    )
)
@click.argument(
    "members", nargs=-1, required=True, metavar="MEMBER…", type=click.Path(path_type=Path)
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The ensemble's folder."
)
@click.option(
    "--scale",
    type=click.Choice(["raw", "zscore", "query-zscore", "rank"]),
    default="raw",
    show_default=True,
    help="What scores are brought to first: nothing else; mean 0 and deviation 1, of each member "
    "or of each query; the places of the clips.",
)
@click.option(
    "--weights",
    callback=_weights,
    metavar="W,W,…",
    help="One number a member (default: all alike).",
)
@click.option(
    "--select",
    type=click.Choice(["none", "greedy"]),
    default="none",
    show_default=True,
    help="Find members and weights on the validation clips: the best first, then what helps most.",
)
@click.option(
    "--figure",
    type=click.Choice(["R@1", "R@5", "R@10", "mAP@10", "mAP@16"]),
    default=_SHOWN,
    show_default=True,
    help="What --select greedy goes by.",
)
@click.option("--once", is_flag=True, help="Let --select greedy take each member once at most.")
@click.option(
    "--by",
    type=click.Choice(["similarities", "embeddings"]),
    default="similarities",
    show_default=True,
    help="What is averaged. Embeddings are for members that went on from one checkpoint, and are "
    "scored beside similarities.",
)
@click.option(
    "--part",
    type=click.Choice(["test", "validation"]),
    default="test",
    show_default=True,
    help="The clips that the ensemble is scored on.",
)
@click.option(
    "--truth",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="What is right, for score matrices: file_name,caption_1,… or query,audio_filenames.",
)
@json_option
def ensemble(
    members: tuple[Path, ...],
    out: Path,
    scale: str,
    weights: tuple[float, ...] | None,
    select: str,
    figure: str,
    once: bool,
    by: str,
    part: str,
    truth: Path | None,
    as_json: bool,
) -> None:
    """Join systems that are trained, and score the whole.

    A MEMBER is the folder of a run (or of an ensemble), a folder of similarities, or a score matrix
    in the layout of DCASE 2025. Runs that keep their similarities need no model and no sound.
    """
    with needing_lab():
        from soundseek.lab.ensembling.ensemble import Settings
        from soundseek.lab.ensembling.ensemble import ensemble as made

        document = made(
            members,
            out,
            Settings(
                scale="none" if scale == "raw" else scale.replace("-", "_"),  # type: ignore[arg-type]
                by=by,  # type: ignore[arg-type]
                weights=weights,
                greedy=select == "greedy",
                figure=figure,
                replacement=not once,
            ),
            part=part,  # type: ignore[arg-type]
            truth=truth,
            say=lambda line: say(line, err=True),
        )
    if as_json:
        say_json(document)
        return
    _print(document)
    say(faint(f"written: {shown_path(out)}"), err=True)


def _print(document: Mapping[str, Any]) -> None:
    members = document["members"]
    queries = f"{document['part']}: {count(document['clips'], 'clip')}, {document['n']:,} queries"
    say(strong(f"{count(len(members), 'member')}, {queries}"))
    say(faint(f"  {_SHOWN:>7}  weight"))
    for member in members:
        value = member["metrics"][_SHOWN]["value"]
        say(f"  {value:>7.4f}  {member['weight']:>6.3f}  {shown_path(member['path'])}")
    scale = _said(document["scale"])
    say(strong(f"together, by {document['by']} ({scale})"))
    print_figures(document)
    beside = document.get("by_similarities")
    if beside is not None:
        say(strong(f"the same members by similarities ({_said(beside['scale'])})"))
        print_figures(beside)


def _said(scale: str | None) -> str:
    if scale is None:
        return "of length 1"
    return "raw" if scale == "none" else scale.replace("_", "-")
