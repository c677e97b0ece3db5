"""The figure of the validation set by which a system tells its best model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple


class Monitor(NamedTuple):
    """The figure's name, and which way is better."""

    figure: str
    higher_is_better: bool = True

    def value(self, figures: Mapping[str, float]) -> float:
        """The figure, NaN where it was not measured."""
        return figures.get(self.figure, math.nan)

    def goodness(self, figures: Mapping[str, float]) -> float:
        """Larger for a better model."""
        return self.value(figures) if self.higher_is_better else -self.value(figures)


RANKING: Final = Monitor("mAP@10")
_OTHERS: Final = {
    "captioning": Monitor("loss", higher_is_better=False),
    "words": Monitor("cosine"),
}


def monitor_of(system: str) -> Monitor:
    """What the runs of a system go by: a ranking, unless the system ranks nothing."""
    return _OTHERS.get(system, RANKING)
