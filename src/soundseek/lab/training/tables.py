"""The figures that a training writes as it goes: tables, and loggers beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from soundseek.lab.run_folder import METRICS, VALIDATION, RunFolder
from soundseek.lab.run_loggers import Logger


class Tables:
    """metrics.csv and validation.csv of a run, and its loggers. The tables' columns are the same
    throughout its stages: `terms` of the objective, and `figures` of a validation."""

    def __init__(
        self, folder: RunFolder, logger: Logger, *, terms: Sequence[str], figures: Sequence[str]
    ) -> None:
        self.folder, self.logger = folder, logger
        self.terms, self.figures = tuple(terms), tuple(figures)

    def learnt(
        self, step: int, stage: str, course: Mapping[str, float], means: Mapping[str, float]
    ) -> None:
        """A row of metrics.csv: where the run is, and the mean loss and terms since the last."""
        found = {name: means.get(name, math.nan) for name in ("loss", *self.terms)}
        self.folder.append(METRICS, {"step": step, "stage": stage, **course, **found})
        values = {f"train/{name}": value for name, value in found.items()}
        values |= {f"course/{name}": value for name, value in course.items()}
        self.logger.scalars(step, values)

    def validated(self, step: int, stage: str, figures: Mapping[str, float]) -> None:
        """A row of validation.csv."""
        found = {name: figures.get(name, math.nan) for name in self.figures}
        self.folder.append(VALIDATION, {"step": step, "stage": stage, **found})
        self.logger.scalars(step, {f"validation/{name}": value for name, value in found.items()})
