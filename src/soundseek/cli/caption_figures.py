"""Figures of captions, for programs and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soundseek.cli.terminal import count, say

if TYPE_CHECKING:
    from soundseek.metrics.captions import CaptionEvaluation
    from soundseek.metrics.dcase import Evaluation

_SHOWN = 3


def as_means(found: CaptionEvaluation) -> Evaluation:
    """The figures as `document_of` takes them: a comparison is of the clips' values."""
    import numpy as np

    from soundseek.metrics import Metric
    from soundseek.metrics.dcase import Evaluation

    return Evaluation(
        n=found.n,
        values={
            name: np.array(list(metric.per_clip.values()))
            for name, metric in found.metrics.items()
            if metric.per_clip is not None
        },
        metrics={name: Metric(each.value, each.ci95) for name, each in found.metrics.items()},
    )


def tell(found: CaptionEvaluation, whose: str = "", *, quiet: bool = False) -> None:
    """Say on stderr what the figures do not; with `quiet`, not what `missing` holds."""
    notes = list(found.notes)
    if found.empty:
        shown = ", ".join(found.empty[:_SHOWN]) + (", …" if len(found.empty) > _SHOWN else "")
        notes.append(f"{count(len(found.empty), 'prediction')} without a word score 0: {shown}")
    if found.tokeniser == "python" and not found.notes:
        notes.append("captions were cut into words without Java, which is not found")
    if not quiet:
        by_reason: dict[str, list[str]] = {}
        for name, reason in found.missing.items():
            by_reason.setdefault(reason, []).append(name)
        notes += [f"no {', '.join(names)}: {reason}" for reason, names in by_reason.items()]
    for note in notes:
        say(f"note: {whose}{note}", err=True)
