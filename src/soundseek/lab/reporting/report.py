"""Writing the report of a run: report.md, report.html, plots, worst-queries.html."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from soundseek.lab.reporting import learning, ranking
from soundseek.lab.reporting.contents import contents
from soundseek.lab.reporting.document import Plot
from soundseek.lab.reporting.drawing import drawn
from soundseek.lab.reporting.figures import first_ranks, recall_by_rank, spread
from soundseek.lab.reporting.markdown import as_markdown
from soundseek.lab.reporting.page import as_page
from soundseek.lab.reporting.run import Run, read_run
from soundseek.lab.reporting.scored_on import comparable, scored_on
from soundseek.lab.reporting.worst import worst_queries
from soundseek.lab.reporting.worst_page import worst_page
from soundseek.metrics import Positions, relevant_positions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Say = Callable[[str], None]
REPORT, PAGE, PLOTS, WORST = "report.md", "report.html", "plots", "worst-queries.html"
_NAMES: Final = ("loss", "validation", "recall", "similarity", "ranks")
_LOSSES: Final = "Loss and its terms, each the mean over the steps since the row before."
_VALIDATIONS: Final = "Figures of the validation set; the star is the model that was kept."
_RECALL: Final = (
    "Share of queries with a relevant clip among the first k, its 95 % interval, "
    "and what a random order would find."
)
_SPREAD: Final = (
    "Scores of relevant and of other pairs. At the line as large a share of relevant pairs lies "
    "below as of others above."
)
_RANKS: Final = "Where the first relevant clip of a query stands."


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
    found, positions, worst = run.found, None, []
    if found is not None:
        positions = relevant_positions(found.scores, found.relevant)
        worst = worst_queries(found, first_ranks(positions))
    drawings = _drawings(run, positions, say)
    blocks = list(contents(run, drawings, worst))
    name = str(run.recipe.get("name", run_folder.name))
    files = {plot.href: plot.svg for plot in drawings}
    files[PAGE] = as_page(blocks, name)
    files[REPORT] = as_markdown(blocks)
    if found is not None:
        queries, clips = len(found.queries), len(found.clips)
        files[WORST] = worst_page(name, run.part, worst, run_folder, queries=queries, clips=clips)
    for former in {f"{PLOTS}/{plot}.svg" for plot in _NAMES} | {WORST}:
        if former not in files:
            (run_folder / former).unlink(missing_ok=True)
    for place, text in files.items():
        _write(run_folder / place, text)
    return Report(run_folder / REPORT, _figures(run))


@dataclass(frozen=True)
class _Drawing:
    name: str
    caption: str
    draw: Callable[[Figure], None]
    height: float = 3.6


def _drawings(run: Run, positions: Positions | None, say: Say) -> list[Plot]:
    found = []
    for one in _planned(run, positions):
        try:
            svg = drawn(one.draw, height=one.height)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "matplotlib":
                raise
            say("the report has no plots: they need matplotlib: pip install 'soundseek[lab]'")
            return []
        found.append(Plot(f"{PLOTS}/{one.name}.svg", svg, one.caption))
    return found


def _planned(run: Run, positions: Positions | None) -> Iterator[_Drawing]:
    if run.losses:
        yield _Drawing("loss", _LOSSES, lambda figure: learning.draw_losses(figure, run), 4.2)
    if run.validations:
        yield _Drawing("validation", _VALIDATIONS, lambda f: learning.draw_validations(f, run))
    found = run.found
    if found is None or positions is None:
        return
    published = (run.published or {}).get("scores", {}) if comparable(run) else {}
    recall = recall_by_rank(positions, len(found.clips))
    pairs, ranks = spread(found), first_ranks(positions)
    yield _Drawing("recall", _RECALL, lambda f: ranking.draw_recall(f, recall, published))
    yield _Drawing("similarity", _SPREAD, lambda f: ranking.draw_spread(f, pairs))
    yield _Drawing("ranks", _RANKS, lambda f: ranking.draw_ranks(f, ranks, len(found.clips)))


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
