"""What a score means to people: a probability where the model knows one, else a percentile."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from soundseek.bundle.schema import Calibration


@dataclass(frozen=True, slots=True)
class Meaning:
    """One of the two is None.

    Attributes:
        probability: 0 to 1, how often a hit with this score was right when the model was
            calibrated: 0.2 is one hit in five.
        percentile: 0 to 100, of how many of the sounds that could have been found this one fits
            at least as well.
    """

    probability: float | None
    percentile: float | None


class Meanings:
    """Turns similarities of one ranking into what they mean."""

    def __init__(
        self,
        similarities: npt.NDArray[np.float32],
        calibration: Calibration | None,
        *,
        is_text: bool,
    ) -> None:
        """`similarities` [n] are those of all sounds of the ranking.

        `calibration` is one of hits (see `of_hits`). It was measured between texts and sounds: it
        says nothing of a query that is a sound, or has one in it (`is_text` False).
        """
        self._calibration = calibration if is_text else None
        self._sorted = None if self._calibration is not None else np.sort(similarities)

    def of(self, similarity: float) -> Meaning:
        """Return what one of the similarities means."""
        if self._calibration is not None:
            return Meaning(probability(self._calibration, similarity), None)
        if self._sorted is None or not self._sorted.size:
            return Meaning(None, None)
        not_better = np.searchsorted(self._sorted, np.float32(similarity), side="right")
        return Meaning(None, round(100.0 * float(not_better) / self._sorted.size, 2))


def of_hits(calibration: Calibration | None) -> Calibration | None:
    """Return the calibration if it tells how likely a hit is right, else None.

    Bundles of before have one that compares a pair with random ones. Hits are all far above those:
    it would call nearly all of them certain, where one in five to ten is right.
    """
    if calibration is None or calibration.fitted_on != "hits":
        return None
    return calibration


def probability(calibration: Calibration, cosine: float) -> float:
    """Return 1 / (1 + exp(-(slope · cosine + intercept))), to four digits."""
    raised = calibration.slope * cosine + calibration.intercept
    return round(1.0 / (1.0 + math.exp(-max(-500.0, min(500.0, raised)))), 4)
