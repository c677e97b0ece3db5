"""The figures that a training writes as it goes: tables, and loggers beside them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Final

from soundseek.lab.run_folder import METRICS, VALIDATION, RunFolder
from soundseek.lab.run_loggers import Logger

FIGURES: Final = ("R@1", "R@5", "R@10", "mAP@10", "mAP@16", "medR", "loss")


class Tables:
    """metrics.csv and validation.csv of a run, and its loggers. The tables' columns are the same
    throughout its stages."""

    def __init__(self, folder: RunFolder, logger: Logger) -> None:
        self.folder, self.logger = folder, logger
        self._terms = _all_terms(folder.document())

    def learnt(
        self, step: int, stage: str, course: Mapping[str, float], means: Mapping[str, float]
    ) -> None:
        """A row of metrics.csv: where the run is, and the mean loss and terms since the last."""
        found = {name: means.get(name, math.nan) for name in ("loss", *self._terms)}
        self.folder.append(METRICS, {"step": step, "stage": stage, **course, **found})
        values = {f"train/{name}": value for name, value in found.items()}
        values |= {f"course/{name}": value for name, value in course.items()}
        self.logger.scalars(step, values)

    def validated(self, step: int, stage: str, figures: Mapping[str, float]) -> None:
        """A row of validation.csv."""
        found = {name: figures.get(name, math.nan) for name in FIGURES}
        self.folder.append(VALIDATION, {"step": step, "stage": stage, **found})
        self.logger.scalars(step, {f"validation/{name}": value for name, value in found.items()})


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
