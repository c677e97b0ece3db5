"""Captioning metrics with the numbers of the COCO tools, intervals, and the files they are in.

`evaluation` gives the figures, `files` reads captions and scores. The rest is one metric or tool
each: `coco` (BLEU, ROUGE-L, CIDEr), `meteor`, `spice`; `tokens` and `ptb` cut captions into words,
`java` runs the COCO tools' programs, `resampling` has the bootstrap.
"""

from __future__ import annotations

from soundseek.metrics.captions.evaluation import (
    CaptionEvaluation,
    CaptionMetric,
    evaluate_captions,
)
from soundseek.metrics.captions.files import (
    CaptionTable,
    read_captions,
    read_scores,
    write_per_clip,
)

__all__ = [
    "CaptionEvaluation",
    "CaptionMetric",
    "CaptionTable",
    "evaluate_captions",
    "read_captions",
    "read_scores",
    "write_per_clip",
]
