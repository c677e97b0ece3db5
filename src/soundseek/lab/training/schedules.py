"""Learning-rate schedules: a factor on the peak rate at any step, and one that watches a figure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from soundseek.lab.training.settings import Schedule


def warmed_cosine(step: int, warmup: int, steps: int) -> float:
    """The factor at `step` (from 1) of `steps`: a straight rise over `warmup`, then a cosine down
    to 1 % of the peak."""
    if step <= warmup:
        return step / max(1, warmup)
    done = (step - warmup) / max(1, steps - warmup)
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))


@dataclass
class Rate:
    """Learning rate as a factor on the peak.

    `steps_per_epoch` and `epochs` tell where in the stage a step is; `peak` is the recipe's
    learning rate. The state of `plateau` is in `plateau_factor`, `best` and `stale`.
    """

    schedule: Schedule
    peak: float
    steps_per_epoch: int
    epochs: float
    plateau_factor: float = 1.0
    best: float | None = None
    stale: int = 0

    def at(self, step: int) -> float:
        """The factor at `step`, counted from 0 at the start of the stage."""
        schedule = self.schedule
        warmup = schedule.warmup_epochs * self.steps_per_epoch
        if step < warmup:
            return min(1.0, (step + 1) / warmup)
        if schedule.kind == "plateau":
            return self.plateau_factor
        epoch = step / self.steps_per_epoch
        if schedule.kind == "step":
            return float(schedule.factor ** int(epoch // schedule.every_epochs))
        if schedule.kind == "exponential":
            return float(schedule.factor ** int(epoch))
        if schedule.kind in ("cosine", "linear"):
            last = schedule.last_rate / self.peak
            over = schedule.decay_epochs or max(1e-9, self.epochs - schedule.warmup_epochs)
            done = min(1.0, (epoch - schedule.warmup_epochs) / over)
            if schedule.kind == "linear":
                return last + (1.0 - last) * (1.0 - done)
            return last + (1.0 - last) * 0.5 * (1.0 + math.cos(math.pi * done))
        return 1.0

    def observe(self, figures: dict[str, float]) -> None:
        """Tell `plateau` what an epoch gave; gains are absolute, as large as `threshold`."""
        schedule = self.schedule
        if schedule.kind != "plateau":
            return
        value = figures[schedule.monitor]
        gain = -value if schedule.monitor == "loss" else value
        if self.best is None or gain > self.best + schedule.threshold:
            self.best, self.stale = gain, 0
            return
        self.stale += 1
        if self.stale > schedule.patience:
            self.plateau_factor *= schedule.factor
            self.stale = 0

    def state(self) -> dict[str, float | int | None]:
        """What a checkpoint keeps."""
        return {"plateau_factor": self.plateau_factor, "best": self.best, "stale": self.stale}

    def restore(self, state: dict[str, float | int | None]) -> None:
        """Take what `state` gave."""
        self.plateau_factor = float(state["plateau_factor"] or 0.0)
        self.best = None if state["best"] is None else float(state["best"])
        self.stale = int(state["stale"] or 0)
