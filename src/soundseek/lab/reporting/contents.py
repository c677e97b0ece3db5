"""What a report says, from what a run's folder holds and what is told of its kind of system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from soundseek.lab.reporting.document import (
    Block,
    Code,
    Heading,
    Inline,
    Link,
    Listing,
    Paragraph,
    Plot,
    Table,
    Text,
)
from soundseek.lab.reporting.run import Run
from soundseek.lab.reporting.surroundings import environment
from soundseek.lab.reporting.told import Told
from soundseek.lab.reporting.training import training

_LEFT_OUT_SHOWN = 5
_FILES = (
    "recipe.json",
    "scores.json",
    "predictions.csv",
    "captions.csv",
    "metrics.csv",
    "validation.csv",
    "environment.json",
    "clips.json",
    "best.pt",
    "last.pt",
)


def contents(run: Run, told: Told, plots: Sequence[Plot]) -> Iterator[Block]:
    """The blocks of the report in order."""
    yield from _opening(run)
    yield from told.figures
    yield from _clips(run)
    yield from training(run)
    if plots:
        yield Heading("Plots")
        yield from plots
    yield from told.examples
    yield from environment(run.sessions)
    files = [name for name in _FILES if (run.folder / name).is_file()]
    yield Heading("Files")
    yield Paragraph(_joined([Link(name, name) for name in files]))


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
    if run.heard is not None and run.part not in noted_parts:
        heard = run.heard
        hours = "" if heard.hours is None else f"{heard.hours:.2f}"
        rows.append((run.part, f"{heard.clips:,}", f"{heard.captions:,}", hours, ""))
    if not rows:
        return
    yield Heading("Data")
    yield Table(("part", "clips", "captions", "hours", "sources"), tuple(rows), "lrrrl")
    if left_out:
        clips = "1 clip" if len(left_out) == 1 else f"{len(left_out):,} clips"
        yield Paragraph(f"{clips} could not be read, and left out:")
        more: list[Text] = ["…"] if len(left_out) > _LEFT_OUT_SHOWN else []
        yield Listing((*left_out[:_LEFT_OUT_SHOWN], *more))


def _joined(links: Sequence[Link]) -> tuple[Inline, ...]:
    parts: list[Inline] = []
    for link in links:
        parts += [", ", link] if parts else [link]
    return tuple(parts)
