"""How a training went, stage by stage, as a table."""

from __future__ import annotations

from collections.abc import Iterator

from soundseek.lab.reporting.cells import number, time
from soundseek.lab.reporting.document import Block, Heading, Paragraph, Table
from soundseek.lab.reporting.run import Run


def training(run: Run) -> Iterator[Block]:
    """A row a stage; nothing before the first step."""
    stages = run.stages()
    if not stages:
        return
    monitor, kept, before, rows = run.monitor, run.kept(), 0, []
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
                number(values.get("epoch"), ".2f"),
                time(values.get("seconds")),
                number(values.get("loss"), ".4f"),
                "" if best is None else f"{best.step:,}",
                "" if best is None else number(monitor.value(best.values), ".4f"),
            )
        )
        before = last
    figure = monitor.figure
    yield Heading("Training")
    head = ("stage", "steps", "epochs", "time", "last loss", "kept at step", f"its {figure}")
    yield Table(head, tuple(rows), "lrrrrrr")
    yield Paragraph(f"Its {figure} is of the validation set. Steps count on over stages.")
