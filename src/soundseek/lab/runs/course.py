"""How one run's figure has gone so far, kept beside the run so that a resumed one knows it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from soundseek.errors import DataError
from soundseek.lab.progress import Validation

COURSE: Final = "course.json"


@dataclass(frozen=True)
class Point:
    """The figure at one validation."""

    stage: str
    step: int
    epoch: float
    value: float


class Course:
    """The points of a run, in order of their steps.

    What counts is the run's present stage: figures of different stages are of different data.
    """

    def __init__(self, folder: Path, figure: str) -> None:
        self.figure = figure
        self._file = folder / COURSE
        self.points: list[Point] = []
        if self._file.is_file():
            rows = json.loads(self._file.read_text(encoding="utf-8"))
            self.points = [Point(**row) for row in rows]

    def add(self, validation: Validation) -> Point:
        """Take a validation in. One that a resumed run repeats replaces those from its step on.

        Raises `DataError` where the system does not tell the figure, or it is not finite.
        """
        if self.figure not in validation.figures:
            raise DataError(
                f"this system's validations do not tell {self.figure}",
                remedy=f"choose among {', '.join(validation.figures)}",
            )
        point = Point(
            validation.stage,
            validation.step,
            float(validation.epoch),
            float(validation.figures[self.figure]),
        )
        if not math.isfinite(point.value):
            raise DataError(
                f"{self.figure} is {point.value} at step {point.step}",
                remedy="lower the learning rate, or bound the gradient's norm",
            )
        self.points = [one for one in self.points if one.step < point.step] + [point]
        draft = self._file.with_suffix(".partial")
        draft.write_text(json.dumps([asdict(one) for one in self.points]), encoding="utf-8")
        draft.replace(self._file)
        return point

    @property
    def stage(self) -> str | None:
        """The stage of the last point."""
        return self.points[-1].stage if self.points else None

    @property
    def best(self) -> Point:
        """The best point of the present stage, the first of equals.

        Raises `DataError` before the first validation.
        """
        if not self.points:
            raise DataError(
                "the run validated nothing",
                remedy="its system must validate during training, on clips that are there",
            )
        return max(self._present(), key=lambda point: point.value)

    @property
    def stale(self) -> int:
        """Validations of the present stage since its best."""
        present = self._present()
        return len(present) - 1 - present.index(self.best) if present else 0

    def _present(self) -> list[Point]:
        return [point for point in self.points if point.stage == self.stage]
