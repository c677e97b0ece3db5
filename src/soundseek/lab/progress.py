"""What a training tells those who watch it, and how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final


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

_EVERY_S: Final = 10.0


def now_and_then(
    say: Callable[[str], None],
    *,
    every_s: float = _EVERY_S,
    now: Callable[[], float] = time.monotonic,
) -> Callable[[int, int], None]:
    """A function of (done, total) that says so, and the time left, at most every `every_s` s."""
    started = last = now()

    def told(done: int, total: int) -> None:
        nonlocal last
        moment = now()
        if moment - last < every_s or done == 0:
            return
        last = moment
        left = (moment - started) / done * (total - done)
        say(f"{done:,} of {total:,}, {left / 60:.1f} min left")

    return told
