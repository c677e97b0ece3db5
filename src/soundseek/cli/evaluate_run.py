"""`soundseek evaluate run`: how good a trained system is, on its own clips or on others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from soundseek.cli.evaluate_captioner import check_options, evaluate_captioner, is_captioning_run
from soundseek.cli.extras import needing_lab
from soundseek.cli.figures import print_figures
from soundseek.cli.options import example, json_option
from soundseek.cli.terminal import count, faint, say, say_json, shown_path, strong

if TYPE_CHECKING:
    from soundseek.lab.scoring import OtherClips
    from soundseek.lab.similarities import Similarities

_AUTO = "auto"


def _mix(ctx: click.Context, param: click.Parameter, value: str) -> float | None:
    if value == _AUTO:
        return None
    try:
        weight = float(value)
    except ValueError:
        weight = float("nan")
    if not 0.0 <= weight <= 1.0:
        raise click.BadParameter(f"{value!r} is neither {_AUTO} nor a number from 0 to 1")
    return weight


@click.command(
    epilog=example(
        "soundseek evaluate run runs/mine",
        "soundseek evaluate run runs/samsung --rerank 50 --mix auto",
        "soundseek evaluate run my-model --corpus clotho --root ~/clotho --split test",
        "soundseek evaluate run runs/fold-0 runs/fold-1 runs/fold-2 --out-of-fold",
    )
)
@click.argument("runs", nargs=-1, required=True, metavar="RUN…", type=click.Path(path_type=Path))
@click.option(
    "--part",
    type=click.Choice(["test", "validation"]),
    default="test",
    show_default=True,
    help="Which of its own clips.",
)
@click.option("--corpus", metavar="NAME", help="Other clips: a corpus, see 'soundseek data list'.")
@click.option("--root", metavar="DIR", help="The folder of --corpus.")
@click.option("--manifest", metavar="FILE", help="Other clips: a manifest (Parquet).")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    help="Of --corpus or --manifest (default: all).",
)
@click.option(
    "--rerank",
    type=click.IntRange(min=1),
    metavar="K",
    help="Let the matching head of the run order the first K clips of each query anew.",
)
@click.option(
    "--mix",
    callback=_mix,
    default="1",
    show_default=True,
    metavar="W|auto",
    help="What --rerank orders by: the matching head (1), the similarity (0), something between, "
    "or what is best on the validation clips (auto).",
)
@click.option(
    "--out-of-fold", is_flag=True, help="Score each of several folds on what it left out."
)
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep the similarities, for 'soundseek ensemble'.",
)
@json_option
def run(
    runs: tuple[Path, ...],
    part: str,
    corpus: str | None,
    root: str | None,
    manifest: str | None,
    split: str | None,
    rerank: int | None,
    mix: float | None,
    out_of_fold: bool,
    save: Path | None,
    as_json: bool,
) -> None:
    """Score RUN: a run's folder, an ensemble, a folder of similarities, or a model.

    A model (its name or path) has no clips of its own: name some by --corpus or --manifest.
    A captioning run is scored by its captions: BLEU, METEOR, ROUGE-L, CIDEr.
    """
    other = _other(corpus, root, manifest, split)
    captioners = [one for one in runs if is_captioning_run(one)]
    if captioners:
        check_options(out_of_fold=out_of_fold, rerank=rerank is not None, save=save is not None)
    if out_of_fold:
        if other is not None or rerank is not None or save is not None:
            raise click.UsageError("--out-of-fold goes with no other clips, --rerank or --save")
        _out_of_fold(runs, as_json)
        return
    if other is not None and part != "test":
        raise click.UsageError(f"--part {part} is of a run's own clips: leave it or the others out")
    if rerank is None and mix != 1.0:
        raise click.UsageError("--mix belongs to --rerank")
    if len(runs) > 1:
        raise click.UsageError(f"{len(runs)} runs are named: only --out-of-fold takes several")
    if captioners:
        evaluate_captioner(runs[0], part, other, as_json=as_json)
        return
    with needing_lab():
        from soundseek.lab.evaluate import plain

        _check_free(save)
        if rerank is None:
            from soundseek.lab.scoring import scored

            found = scored(runs[0], part=part, other=other, say=_aside)
            document = _document(found)
        else:
            from soundseek.lab.retrieval.rerank import rerank_run

            sources = None if other is None else [other.source()]
            done = rerank_run(runs[0], rerank, _aside, sources, part=part, weight=mix)
            found = done.found
            document = _document(found) | {
                "rerank": {"k": done.k, "weight": done.weight},
                "by_embeddings": {"metrics": plain(done.by_embeddings.metrics())},
            }
        if save is not None:
            found.save(save)
    if as_json:
        say_json(document)
        return
    _print(document)
    if save is not None:
        say(faint(f"similarities: {shown_path(save)}"), err=True)


def _other(
    corpus: str | None, root: str | None, manifest: str | None, split: str | None
) -> OtherClips | None:
    if corpus is None and manifest is None:
        if root is not None or split is not None:
            raise click.UsageError("--root and --split belong to --corpus or --manifest")
        return None
    if corpus is not None and manifest is not None:
        raise click.UsageError("give --corpus or --manifest, one of them")
    if corpus is not None and root is None:
        raise click.UsageError(f"--corpus {corpus} needs --root DIR, where it lies")
    if manifest is not None and root is not None:
        raise click.UsageError("--root belongs to --corpus")
    from soundseek.lab.scoring import OtherClips

    return OtherClips(corpus, root, manifest, split)


def _check_free(save: Path | None) -> None:
    """Before an hour of listening, not after it."""
    from soundseek.lab.similarities import is_similarities

    if save is None or not save.exists() or is_similarities(save):
        return
    if save.is_file() or any(save.iterdir()):
        raise click.UsageError(f"--save {save} is taken, and holds no similarities")


def _out_of_fold(runs: tuple[Path, ...], as_json: bool) -> None:
    with needing_lab():
        from soundseek.lab.ensembling.folds import out_of_fold
        from soundseek.lab.ensembling.sources import distinct_members
        from soundseek.lab.scoring import scored

        distinct_members(runs)
        found = {str(run): scored(run, part="validation", say=_aside) for run in runs}
        document = out_of_fold(found)
    if as_json:
        say_json(document)
        return
    for fold in document["folds"]:
        say(strong(f"{shown_path(fold['path'])}: {_size(fold)}"))
        print_figures(fold)
    say(strong(f"out of fold, each query among the clips of its own: {_size(document)}"))
    print_figures(document)


def _document(found: Similarities) -> dict[str, Any]:
    from soundseek.lab.ensembling.figures import figures_of
    from soundseek.lab.evaluate import plain

    metrics = plain(figures_of(found))
    return {"n": len(found.queries), "clips": len(found.clips), "metrics": metrics}


def _print(document: dict[str, Any]) -> None:
    before, how = document.get("by_embeddings"), document.get("rerank")
    if before is not None and how is not None:
        say(strong(f"by embeddings: {_size(document)}"))
        print_figures(before)
        what = f"the first {how['k']} ordered by the matching head, weight {how['weight']:.1f}"
        say(strong(what))
    else:
        say(strong(_size(document)))
    print_figures(document)


def _size(document: dict[str, Any]) -> str:
    clips, queries = count(document["clips"], "clip"), count(document["n"], "query", "queries")
    return f"{queries}, {clips}"


def _aside(line: str) -> None:
    say(line, err=True)
