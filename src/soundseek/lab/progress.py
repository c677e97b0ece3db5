"""What a training tells those who watch it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Validation:
    """One validation of a run.

    `step` counts the steps of the whole run, `epoch` the epochs of `stage`; `figures` by name,
    such as mAP@10, of the validation set.
    """

    stage: str
    step: int
    epoch: float
    figures: Mapping[str, float]


Watch = Callable[[Validation], None]
