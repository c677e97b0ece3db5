"""What a report says of a system that captions: its figures, and captions to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from soundseek.lab.reporting import learning
from soundseek.lab.reporting.cells import figure_head, figure_row
from soundseek.lab.reporting.comparison import NO_TEST_SET, NOT_DONE, NOTHING, not_comparable
from soundseek.lab.reporting.document import (
    Block,
    Code,
    Heading,
    Link,
    Listing,
    Paragraph,
    Strong,
    Table,
    Text,
)
from soundseek.lab.reporting.examples import Example, Examples, examples, sounds_of
from soundseek.lab.reporting.examples_page import examples_page
from soundseek.lab.reporting.run import Run
from soundseek.lab.reporting.scored_on import scored_on
from soundseek.lab.reporting.told import Drawing, Told
from soundseek.metrics.captions.names import CAPTION_METRIC_NAMES, printed_name

EXAMPLES: Final = "captions.html"
_SHOWN: Final = 10
_VALIDATIONS: Final = "Loss of the validation set; the star is the model that was kept."


def told(run: Run) -> Told:
    """Figures, the validation's plot and examples of a captioning run."""
    drawings = tuple(_drawings(run))
    captioned, seed = run.captioned, int(run.recipe.get("seed", 0))
    if captioned is None:
        return Told(tuple(_scores(run)), drawings)
    found = examples(captioned, sounds_of(run.recipe), seed=seed)
    name, clips = str(run.recipe.get("name", run.folder.name)), len(captioned.captions.predictions)
    return Told(
        tuple(_scores(run)),
        drawings,
        tuple(_examples(found, seed)),
        {EXAMPLES: examples_page(name, found, run.folder, clips=clips, seed=seed)},
    )


def _drawings(run: Run) -> Iterator[Drawing]:
    if run.validations:
        yield Drawing(
            "validation", _VALIDATIONS, lambda figure: learning.draw_validation_losses(figure, run)
        )


def _scores(run: Run) -> Iterator[Block]:
    yield Heading("Figures")
    if run.scores is None:
        yield Paragraph(_no_scores(run))
        return
    scores = run.scores
    published = (run.published or {}).get("scores", {})
    clips = "1 clip" if scores["n"] == 1 else f"{scores['n']:,} clips"
    yield Paragraph(
        f"n = {clips}"
        + (f" ({scored_on(run)})" if scored_on(run) else "")
        + f", a caption each, seed {scores.get('seed', run.recipe.get('seed', 0))}. The intervals "
        "of BLEU and METEOR are bootstrap intervals over clips, the others jackknife intervals "
        "over clips."
    )
    head, align = figure_head(published)
    order = {name: place for place, name in enumerate(CAPTION_METRIC_NAMES)}
    names = dict.fromkeys([*scores["metrics"], *published])
    rows = (
        figure_row(name, scores["metrics"], published, printed_name(name))
        for name in sorted(names, key=lambda name: order.get(name, len(order)))
    )
    yield Table(head, tuple(rows), align)
    yield from _training_of_published(run)
    yield from not_comparable(run)
    yield from _missing(scores.get("missing", {}))


def _training_of_published(run: Run) -> Iterator[Block]:
    """How long the published system was trained, where that is not the whole training."""
    epochs = (run.published or {}).get("epochs")
    if epochs is None:
        return
    planned = run.recipe.get("optimiser", {}).get("epochs")
    here = "" if planned in (None, epochs) else f"; this run is of {planned}"
    after = "1 epoch" if epochs == 1 else f"{epochs} epochs"
    yield Paragraph(f"The published figures are those after {after}{here}.")


def _missing(missing: Mapping[str, str]) -> Iterator[Block]:
    if not missing:
        return
    by_reason: dict[str, list[str]] = {}
    for name, reason in missing.items():
        by_reason.setdefault(reason, []).append(printed_name(name))
    yield Paragraph("Not measured:")
    yield Listing(tuple(f"{', '.join(names)}: {why}" for why, names in by_reason.items()))


def _no_scores(run: Run) -> Text:
    if run.captioned is not None:
        return (
            Strong("Not scored"),
            f": {run.captioned.unscored}. The captions are there: then score them with ",
            Code("soundseek report RUN"),
            ".",
        )
    if scored_on(run) is None:
        return NO_TEST_SET
    return NOT_DONE if run.losses or run.validations else NOTHING


def _examples(found: Examples, seed: int) -> Iterator[Block]:
    yield Heading("Examples")
    yield Paragraph(("Captions of the test set; ", Link("more, to listen to", EXAMPLES), "."))
    if found.unsorted:
        yield Paragraph(f"They are not ranked by CIDEr: {found.unsorted}.")
    for title, some in (
        ("Best captions", found.best),
        ("Worst captions", found.worst),
        (f"Captions drawn by chance (seed {seed})", found.drawn),
    ):
        if some:
            yield Heading(title, 3)
            yield _table(some[:_SHOWN])


def _table(some: Sequence[Example]) -> Table:
    ranked = any(one.cider is not None for one in some)
    head = (*(("CIDEr",) if ranked else ()), "caption", "references", "clip")
    rows = tuple(
        (
            *((f"{one.cider:.4f}",) if one.cider is not None else ()),
            one.caption,
            " / ".join(one.references),
            Code(one.clip),
        )
        for one in some
    )
    return Table(head, rows, "r" * ranked + "lll")
