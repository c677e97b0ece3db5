"""`soundseek evaluate run` of a captioning run: its captions against those that people gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from soundseek.cli.caption_figures import as_means, tell
from soundseek.cli.extras import needing_lab
from soundseek.cli.figures import document_of, print_figures
from soundseek.cli.terminal import count, say, say_json, strong

if TYPE_CHECKING:
    from soundseek.lab.scoring import OtherClips

_NOT_OF_CAPTIONS = "a captioning run writes captions and ranks no clips: leave {} out"


def is_captioning_run(place: Path) -> bool:
    """Whether a folder holds a run of a captioning recipe; what is damaged is told elsewhere."""
    try:
        recipe = json.loads((place / "recipe.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(recipe, dict) and recipe.get("system") == "captioning"


def check_options(**given: bool) -> None:
    """Raises `UsageError` for options that are about rankings, by name → whether it is there."""
    for name, is_there in given.items():
        if is_there:
            raise click.UsageError(_NOT_OF_CAPTIONS.format(f"--{name.replace('_', '-')}"))


def evaluate_captioner(run: Path, part: str, other: OtherClips | None, *, as_json: bool) -> None:
    """Print what the captions of a run are worth, as `soundseek evaluate captions` would."""
    with needing_lab():
        from soundseek.lab.captioning.evaluation import run_captions
        from soundseek.metrics.captions import evaluate_captions

        sources = None if other is None else [other.source()]
        captions = run_captions(run, lambda line: say(line, err=True), sources, part=part)
        found = evaluate_captions(captions.predictions, captions.references)
    document = document_of([as_means(found)], None, 0)
    document |= {"clips": found.n, "missing": dict(found.missing)}
    if as_json:
        say_json(document | {"tokeniser": found.tokeniser, "empty": list(found.empty)})
    else:
        references = sum(map(len, captions.references.values()))
        say(strong(f"{count(found.n, 'clip')}, {count(references, 'reference')}"))
        print_figures(document)
    tell(found, quiet=as_json)
