"""What a report says of a system that ranks clips: figures of both directions, members, and the
queries that went worst."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from soundseek.lab.reporting import learning, ranking
from soundseek.lab.reporting.cells import figure, figure_head, figure_row
from soundseek.lab.reporting.comparison import NO_TEST_SET, NOT_DONE, NOTHING, not_comparable
from soundseek.lab.reporting.document import Block, Code, Heading, Link, Paragraph, Table, Text
from soundseek.lab.reporting.figures import first_ranks, recall_by_rank, spread
from soundseek.lab.reporting.monitors import RANKING
from soundseek.lab.reporting.run import Member, Run
from soundseek.lab.reporting.scored_on import comparable, scored_on
from soundseek.lab.reporting.told import Drawing, Told
from soundseek.lab.reporting.worst import Worst, worst_queries
from soundseek.lab.reporting.worst_page import worst_page
from soundseek.metrics import Positions, relevant_positions

WORST: Final = "worst-queries.html"
_WORST_SHOWN: Final = 10
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


def told(run: Run) -> Told:
    """Figures, plots and worst queries of a run that ranks."""
    found, positions, worst = run.found, None, []
    pages: dict[str, str] = {}
    if found is not None:
        positions = relevant_positions(found.scores, found.relevant)
        worst = worst_queries(found, first_ranks(positions))
        name = str(run.recipe.get("name", run.folder.name))
        sizes = {"queries": len(found.queries), "clips": len(found.clips)}
        pages[WORST] = worst_page(name, run.part, worst, run.folder, **sizes)
    return Told(
        (*_scores(run), *_members(run.members)),
        tuple(_drawings(run, positions)),
        tuple(_worst(run, worst)),
        pages,
    )


def _drawings(run: Run, positions: Positions | None) -> Iterator[Drawing]:
    if run.validations:
        yield Drawing("validation", _VALIDATIONS, lambda f: learning.draw_validations(f, run))
    found = run.found
    if found is None or positions is None:
        return
    published = (run.published or {}).get("scores", {}) if comparable(run) else {}
    recall = recall_by_rank(positions, len(found.clips))
    pairs, ranks = spread(found), first_ranks(positions)
    yield Drawing("recall", _RECALL, lambda f: ranking.draw_recall(f, recall, published))
    yield Drawing("similarity", _SPREAD, lambda f: ranking.draw_spread(f, pairs))
    yield Drawing("ranks", _RANKS, lambda f: ranking.draw_ranks(f, ranks, len(found.clips)))


def _scores(run: Run) -> Iterator[Block]:
    yield Heading("Figures")
    if run.scores is None:
        yield Paragraph(_no_scores(run))
        return
    scores, across = run.scores, run.scores.get("audio_to_text")
    published = (run.published or {}).get("scores", {})
    yield Heading("Text → audio", 3)
    yield Paragraph(
        f"n = {scores['n']:,} queries on {scores['clips']:,} clips"
        + (f" ({scored_on(run)})" if scored_on(run) else "")
        + f", seed {scores.get('seed', run.recipe.get('seed', 0))}. The intervals are jackknife "
        "intervals over queries; equal scores count against the system."
    )
    head, align = figure_head(published)
    names = dict.fromkeys([*scores["metrics"], *published])
    rows = tuple(figure_row(name, scores["metrics"], published) for name in names)
    yield Table(head, rows, align)
    yield from not_comparable(run)
    if across is not None:
        yield Heading("Audio → text", 3)
        yield Paragraph(
            f"n = {across['n']:,} clips as queries, {scores['n']:,} captions to be found."
        )
        head, align = figure_head({})
        rows = tuple(figure_row(name, across["metrics"], {}) for name in across["metrics"])
        yield Table(head, rows, align)


def _no_scores(run: Run) -> Text:
    if run.recipe["system"] == "retrieval" and scored_on(run) is None:
        return NO_TEST_SET
    if not run.losses and not run.validations:
        return NOTHING
    if run.recipe["system"] == "distilled":
        return (
            "A system of this kind is scored when it is exported: ",
            Code("soundseek export RUN"),
        )
    if run.recipe["system"] == "words":
        return "A system of this kind reads texts alone: its figures are those of its validation."
    return NOT_DONE


def _members(members: Sequence[Member]) -> Iterator[Block]:
    if not members:
        return
    yield Heading("Members")
    names = ("R@1", "R@5", "R@10", RANKING.figure)
    rows: list[tuple[Text, ...]] = []
    for one in members:
        place = Link(one.name, f"{quote(one.name)}/report.md")
        metrics = (one.scores or {}).get("metrics", {})
        rows.append((place, *(_value(name, metrics) for name in names)))
    yield Table(("member", *names), tuple(rows), "lrrrr")


def _value(name: str, metrics: Mapping[str, Any]) -> str:
    return figure(name, metrics[name]["value"]) if name in metrics else ""


def _worst(run: Run, worst: Sequence[Worst]) -> Iterator[Block]:
    if not worst:
        return
    yield Heading("Worst queries")
    yield Paragraph(
        (f"Of the {run.part} set; ", Link("all of them, to listen to", WORST), "."),
    )
    rows = tuple(
        (f"{one.rank:,}", one.query, Code(one.right.clip.id), Code(one.instead[0].clip.id))
        for one in worst[:_WORST_SHOWN]
    )
    yield Table(("rank", "query", "relevant clip", "came first"), rows, "rlll")
