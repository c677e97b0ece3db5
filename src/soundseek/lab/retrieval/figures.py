"""The columns of a retrieval run's tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from soundseek.lab.run_folder import RunFolder
from soundseek.lab.run_loggers import Logger
from soundseek.lab.training.tables import Tables

MONITOR: Final = "mAP@10"
FIGURES: Final = ("R@1", "R@5", "R@10", MONITOR, "mAP@16", "medR", "loss")


def retrieval_tables(folder: RunFolder, logger: Logger) -> Tables:
    """The tables of a run, with the terms of all stages of its recipe."""
    return Tables(folder, logger, terms=_all_terms(folder.document()), figures=FIGURES)


def _all_terms(document: Mapping[str, object]) -> list[str]:
    """Names of the terms of all stages of a recipe, as `Objective` calls them."""
    stages: object = document["stages"]
    assert isinstance(stages, list)
    lists = [document["objective"], *(stage.get("objective", []) for stage in stages)]
    most: Counter[str] = Counter()
    for terms in lists:
        assert isinstance(terms, list)
        most |= Counter(term["term"] for term in terms)
    return sorted(
        name if n == 1 else f"{name}_{n}"
        for name, times in most.items()
        for n in range(1, times + 1)
    )
