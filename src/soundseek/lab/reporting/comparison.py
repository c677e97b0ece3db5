"""What stands below a table of figures that were published and measured."""

from __future__ import annotations

from collections.abc import Iterator

from soundseek.lab.reporting.document import Block, Code, Paragraph, Strong, Text
from soundseek.lab.reporting.run import Run
from soundseek.lab.reporting.scored_on import comparable, scored_on

NO_TEST_SET = "The recipe has no test set; the validation set tells how it went."
NOTHING = "Nothing was measured yet."
NOT_DONE: Text = (
    "There are no figures of a test set: the run has not come to its end. Go on with ",
    Code("soundseek train RECIPE --out RUN"),
    ".",
)


def not_comparable(run: Run) -> Iterator[Block]:
    """A warning where what was published is of another test set."""
    published = run.published or {}
    if published.get("scores") and not comparable(run):
        yield Paragraph(
            (
                Strong("Not comparable"),
                f": published on {published.get('on')}, measured on "
                f"{scored_on(run) or 'another test set'}.",
            )
        )
