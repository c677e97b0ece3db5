"""What a report says, from what a run's folder holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from soundseek.lab.reporting.document import (
    Block,
    Code,
    Heading,
    Inline,
    Link,
    Listing,
    Paragraph,
    Plot,
    Strong,
    Table,
    Text,
)
from soundseek.lab.reporting.run import MONITOR, Member, Run
from soundseek.lab.reporting.scored_on import comparable, scored_on
from soundseek.lab.reporting.surroundings import environment
from soundseek.lab.reporting.worst import Worst

_WORST_SHOWN = 10
_LEFT_OUT_SHOWN = 5
_FILES = (
    "recipe.json",
    "scores.json",
    "predictions.csv",
    "metrics.csv",
    "validation.csv",
    "environment.json",
    "clips.json",
    "best.pt",
    "last.pt",
)


def contents(run: Run, plots: Sequence[Plot], worst: Sequence[Worst]) -> Iterator[Block]:
    """The blocks of the report in order."""
    yield from _opening(run)
    yield from _scores(run)
    yield from _members(run.members)
    yield from _clips(run)
    yield from _training(run)
    if plots:
        yield Heading("Plots")
        yield from plots
    yield from _worst(run, worst)
    yield from environment(run.sessions)
    files = [name for name in _FILES if (run.folder / name).is_file()]
    yield Heading("Files")
    yield Paragraph(_joined([Link(name, name) for name in files]))


def figure(name: str, value: float) -> str:
    """A figure as reports show it: fractions with four digits, ranks with one."""
    return f"{value:.1f}" if name == "medR" else f"{value:.4f}"


def _opening(run: Run) -> Iterator[Block]:
    recipe = run.recipe
    yield Heading(str(recipe.get("name", run.folder.name)), 1)
    yield Paragraph(str(recipe.get("description", "")))
    items: list[Text] = [
        ("System ", Code(str(recipe["system"])), f", seed {recipe.get('seed', 0)}"),
        ("Recipe as it ran: ", Link("recipe.json", "recipe.json")),
    ]
    if run.published is not None:
        items.append(f"After: {run.published.get('source')}")
    yield Listing(tuple(items))


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
    head: tuple[str, ...] = ("figure", "measured", "95 % interval")
    if published:
        head = ("figure", "published", *head[1:])
    names = dict.fromkeys([*scores["metrics"], *published])
    yield Table(
        head,
        tuple(_row(name, scores["metrics"], published) for name in names),
        "l" + "r" * (len(head) - 1),
    )
    if published and not comparable(run):
        yield Paragraph(
            (
                Strong("Not comparable"),
                f": published on {(run.published or {}).get('on')}, measured on "
                f"{scored_on(run) or 'another test set'}.",
            )
        )
    if across is not None:
        yield Heading("Audio → text", 3)
        yield Paragraph(
            f"n = {across['n']:,} clips as queries, {scores['n']:,} captions to be found."
        )
        rows = tuple(_row(name, across["metrics"], {}) for name in across["metrics"])
        yield Table(("figure", "measured", "95 % interval"), rows, "lrr")


def _row(name: str, metrics: Mapping[str, Any], published: Mapping[str, float]) -> tuple[Text, ...]:
    cells: list[Text] = [name]
    if published:
        cells.append(figure(name, published[name]) if name in published else "")
    if name not in metrics:
        return (*cells, "", "")
    bounds = metrics[name]["ci95"]
    interval = "" if bounds is None else f"{figure(name, bounds[0])} – {figure(name, bounds[1])}"
    return (*cells, figure(name, metrics[name]["value"]), interval)


def _no_scores(run: Run) -> Text:
    if run.recipe["system"] == "retrieval" and scored_on(run) is None:
        return "The recipe has no test set; the validation set tells how it went."
    if not run.losses and not run.validations:
        return "Nothing was measured yet."
    if run.recipe["system"] == "distilled":
        return (
            "A system of this kind is scored when it is exported: ",
            Code("soundseek export RUN"),
        )
    return (
        "There are no figures of a test set: the run has not come to its end. Go on with ",
        Code("soundseek train RECIPE --out RUN"),
        ".",
    )


def _members(members: Sequence[Member]) -> Iterator[Block]:
    if not members:
        return
    yield Heading("Members")
    rows: list[tuple[Text, ...]] = []
    for one in members:
        place = Link(one.name, f"{quote(one.name)}/report.md")
        metrics = (one.scores or {}).get("metrics", {})
        rows.append((place, *(_value(name, metrics) for name in ("R@1", "R@5", "R@10", MONITOR))))
    yield Table(("member", "R@1", "R@5", "R@10", MONITOR), tuple(rows), "lrrrr")


def _value(name: str, metrics: Mapping[str, Any]) -> str:
    return figure(name, metrics[name]["value"]) if name in metrics else ""


def _clips(run: Run) -> Iterator[Block]:
    rows: list[tuple[Text, ...]] = []
    left_out: list[Text] = []
    several = len(run.clips) > 1
    for stage, noted in run.clips.items():
        for part, counted in noted["parts"].items():
            sources = ", ".join(f"{name} {n:,}" for name, n in counted["sources"].items())
            name = f"{part} ({stage})" if several else part
            rows.append(
                (
                    name,
                    f"{counted['clips']:,}",
                    f"{counted['captions']:,}",
                    f"{counted['hours']:.2f}",
                    sources,
                )
            )
        left_out += [(Code(clip), f": {why}") for clip, why in noted["left_out"].items()]
    noted_parts = {part for noted in run.clips.values() for part in noted["parts"]}
    if run.found is not None and run.part not in noted_parts:
        hours = sum(clip.duration_s for clip in run.found.clips) / 3600
        sizes = f"{len(run.found.clips):,}", f"{len(run.found.queries):,}", f"{hours:.2f}"
        rows.append((run.part, *sizes, ""))
    if not rows:
        return
    yield Heading("Data")
    yield Table(("part", "clips", "captions", "hours", "sources"), tuple(rows), "lrrrl")
    if left_out:
        clips = "1 clip" if len(left_out) == 1 else f"{len(left_out):,} clips"
        yield Paragraph(f"{clips} could not be read, and left out:")
        more: list[Text] = ["…"] if len(left_out) > _LEFT_OUT_SHOWN else []
        yield Listing((*left_out[:_LEFT_OUT_SHOWN], *more))


def _training(run: Run) -> Iterator[Block]:
    stages = run.stages()
    if not stages:
        return
    kept, before, rows = run.kept(), 0, []
    for stage in stages:
        losses = [row for row in run.losses if row.stage == stage]
        all_rows = [row for row in (*run.losses, *run.validations) if row.stage == stage]
        last = max(row.step for row in all_rows)
        values = losses[-1].values if losses else {}
        best = kept.get(stage)
        rows.append(
            (
                stage,
                f"{last - before:,}",
                _number(values.get("epoch"), ".2f"),
                _time(values.get("seconds")),
                _number(values.get("loss"), ".4f"),
                "" if best is None else f"{best.step:,}",
                "" if best is None else _number(best.values.get(MONITOR), ".4f"),
            )
        )
        before = last
    yield Heading("Training")
    head = ("stage", "steps", "epochs", "time", "last loss", "kept at step", f"its {MONITOR}")
    yield Table(head, tuple(rows), "lrrrrrr")
    yield Paragraph(f"{MONITOR} is of the validation set. Steps count on over stages.")


def _worst(run: Run, worst: Sequence[Worst]) -> Iterator[Block]:
    if not worst:
        return
    yield Heading("Worst queries")
    yield Paragraph(
        (
            f"Of the {run.part} set; ",
            Link("all of them, to listen to", "worst-queries.html"),
            ".",
        )
    )
    rows = tuple(
        (f"{one.rank:,}", one.query, Code(one.right.clip.id), Code(one.instead[0].clip.id))
        for one in worst[:_WORST_SHOWN]
    )
    yield Table(("rank", "query", "relevant clip", "came first"), rows, "rlll")


def _number(value: float | None, form: str) -> str:
    return "" if value is None or math.isnan(value) else f"{value:{form}}"


def _time(seconds: float | None) -> str:
    if seconds is None or math.isnan(seconds):
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours = seconds / 60, seconds / 3600
    return f"{minutes:.1f} min" if minutes < 60 else f"{hours:.1f} h"


def _joined(links: Sequence[Link]) -> tuple[Inline, ...]:
    parts: list[Inline] = []
    for link in links:
        parts += [", ", link] if parts else [link]
    return tuple(parts)
