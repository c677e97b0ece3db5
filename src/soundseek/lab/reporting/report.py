"""Writing the report of a run: report.md, report.html, plots, and a page to listen to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from soundseek.lab.reporting import captions, learning, retrieval
from soundseek.lab.reporting.contents import contents
from soundseek.lab.reporting.document import Plot
from soundseek.lab.reporting.drawing import drawn
from soundseek.lab.reporting.markdown import as_markdown
from soundseek.lab.reporting.page import as_page
from soundseek.lab.reporting.run import Run, read_run
from soundseek.lab.reporting.scored_on import comparable, scored_on
from soundseek.lab.reporting.told import Drawing, Told

Say = Callable[[str], None]
REPORT, PAGE, PLOTS = "report.md", "report.html", "plots"
_TOLD: Final[Mapping[str, Callable[[Run], Told]]] = {"captioning": captions.told}
"""System → what is told of it, where it does not rank clips."""
_FORMER: Final = (
    *(f"{PLOTS}/{name}.svg" for name in ("loss", "validation", "recall", "similarity", "ranks")),
    retrieval.WORST,
    captions.EXAMPLES,
)
_LOSSES: Final = "Loss and its terms, each the mean over the steps since the row before."


class Report(NamedTuple):
    """Where report.md is, and the run's figures, ready for JSON."""

    path: Path
    figures: dict[str, Any]


def write_report(run_folder: Path, say: Say = print) -> Path:
    """Write what a run left for people, from its folder alone; returns report.md.

    An unfinished run has a report of what is there; without matplotlib there are no plots, which
    is told. Raises `DataError` where there is no run, or for a damaged file of it.
    """
    return make_report(run_folder, say).path


def tell_report(run_folder: Path, say: Say) -> None:
    """`write_report` at the end of a training, which does not fail with it: that is told."""
    try:
        say(f"report: {write_report(run_folder, say)}")
    except Exception as error:  # hours of training stand behind it
        say(f"no report: {error!r}; make it again: soundseek report {run_folder}")


def make_report(run_folder: Path, say: Say = print) -> Report:
    """`write_report`, and the figures that it shows."""
    run = read_run(run_folder)
    told = _TOLD.get(str(run.recipe["system"]), retrieval.told)(run)
    plots = _plots(run, told, say)
    blocks = list(contents(run, told, plots))
    files = {plot.href: plot.svg for plot in plots}
    files[PAGE] = as_page(blocks, str(run.recipe.get("name", run_folder.name)))
    files[REPORT] = as_markdown(blocks)
    files.update(told.pages)
    for former in _FORMER:
        if former not in files:
            (run_folder / former).unlink(missing_ok=True)
    for place, text in files.items():
        _write(run_folder / place, text)
    return Report(run_folder / REPORT, _figures(run))


def _plots(run: Run, told: Told, say: Say) -> list[Plot]:
    found = []
    for one in _planned(run, told):
        try:
            svg = drawn(one.draw, height=one.height)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "matplotlib":
                raise
            say("the report has no plots: they need matplotlib: pip install 'soundseek[lab]'")
            return []
        found.append(Plot(f"{PLOTS}/{one.name}.svg", svg, one.caption))
    return found


def _planned(run: Run, told: Told) -> Iterator[Drawing]:
    if run.losses:
        yield Drawing("loss", _LOSSES, lambda figure: learning.draw_losses(figure, run), 4.2)
    yield from told.drawings


def _figures(run: Run) -> dict[str, Any]:
    scores = run.scores or {}
    return {
        "recipe": run.recipe.get("name"),
        "system": run.recipe["system"],
        "seed": run.recipe.get("seed", 0),
        "test_set": scored_on(run),
        "clips": scores.get("clips"),
        "n": scores.get("n"),
        "metrics": scores.get("metrics", {}),
        "missing": scores.get("missing", {}),
        "audio_to_text": scores.get("audio_to_text"),
        "published": run.published,
        "comparable": comparable(run),
        "steps": max((row.step for row in (*run.losses, *run.validations)), default=0),
        "kept": {
            stage: {"step": row.step, **_numbers(row.values)} for stage, row in run.kept().items()
        },
    }


def _numbers(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _write(file: Path, text: str) -> None:
    """To a temporary name and renamed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(file.name + ".partial")
    draft.write_text(text, encoding="utf-8", newline="\n")
    draft.replace(file)
