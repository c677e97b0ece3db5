"""`soundseek evaluate run` of a captioning run: its captions against those that people gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from soundseek.cli.extras import needing_lab
from soundseek.cli.figures import print_figures, rounded
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
        from soundseek.lab.run_captions import caption_figures
        from soundseek.metrics.captions import evaluate_captions

        sources = None if other is None else [other.source()]
        captions = run_captions(run, lambda line: say(line, err=True), sources, part=part)
        found = evaluate_captions(captions.predictions, captions.references)
    document = _rounded(caption_figures(found))
    if as_json:
        say_json(document | {"tokeniser": found.tokeniser, "empty": list(found.empty)})
        return
    references = sum(map(len, captions.references.values()))
    say(strong(f"{count(found.n, 'clip')}, {count(references, 'reference')}"))
    print_figures(document)
    by_reason: dict[str, list[str]] = {}
    for name, reason in found.missing.items():
        by_reason.setdefault(reason, []).append(name)
    notes = [*found.notes, *(f"no {', '.join(names)}: {why}" for why, names in by_reason.items())]
    if found.empty:
        notes.append(f"{count(len(found.empty), 'caption')} without a word: they score 0")
    for note in notes:
        say(f"note: {note}", err=True)


def _rounded(document: dict[str, Any]) -> dict[str, Any]:
    metrics = {
        name: {
            "value": rounded(one["value"]),
            "ci95": None if one["ci95"] is None else [rounded(bound) for bound in one["ci95"]],
        }
        for name, one in document["metrics"].items()
    }
    return document | {"metrics": metrics}
