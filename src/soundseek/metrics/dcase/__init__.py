"""The files of the DCASE challenges on language-based audio retrieval, 2022 to 2025.

`truth` and `predictions` read them, `matching` brings the two together, `evaluation` gives the
figures; `submission` and `meta` write what a challenge asks for.
"""

from __future__ import annotations

from soundseek.metrics.dcase.evaluation import Evaluation, compared, evaluated
from soundseek.metrics.dcase.matching import Matched, match
from soundseek.metrics.dcase.meta import Affiliation, Author, SubmissionMeta, write_meta
from soundseek.metrics.dcase.predictions import Ranked, Scored, read_predictions
from soundseek.metrics.dcase.submission import (
    submission_label,
    submission_names,
    write_ranked,
    write_scores,
)
from soundseek.metrics.dcase.truth import Truth, read_truth

__all__ = [
    "Affiliation",
    "Author",
    "Evaluation",
    "Matched",
    "Ranked",
    "Scored",
    "SubmissionMeta",
    "Truth",
    "compared",
    "evaluated",
    "match",
    "read_predictions",
    "read_truth",
    "submission_label",
    "submission_names",
    "write_meta",
    "write_ranked",
    "write_scores",
]
