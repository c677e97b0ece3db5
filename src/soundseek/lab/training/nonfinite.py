"""What becomes of a batch whose loss or gradient is not finite."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import torch
from lightning_fabric import Fabric
from torch import nn

from soundseek.errors import DataError

MOST_IN_A_ROW: Final = 10


class NonFinite:
    """Stops the run, or lets it skip the batch: its clips stand in refused-batch.json either way
    (refused-batch-1.json for those of process 1, and so on)."""

    def __init__(
        self,
        learner: nn.Module,
        policy: Literal["stop", "skip"],
        folder: Path,
        stage: str,
        fabric: Fabric,
    ) -> None:
        self.policy, self.stage = policy, stage
        rank = "" if fabric.is_global_zero else f"-{fabric.global_rank}"
        self.path = folder / f"refused-batch{rank}.json"
        self._buffers = list(learner.buffers())
        self._before = [one.clone() for one in self._buffers] if policy == "skip" else []

    @torch.no_grad()
    def remember(self) -> None:
        """Before a step: norms take a batch into their statistics before its loss is known."""
        if self._before:
            torch._foreach_copy_(self._before, self._buffers)

    @torch.no_grad()
    def undo(self) -> None:
        """As it was before the step."""
        if self._before:
            torch._foreach_copy_(self._buffers, self._before)

    def refuse(
        self,
        problem: str,
        step: int,
        clips: Sequence[str],
        captions: Sequence[str],
        in_a_row: int,
    ) -> str:
        """Write down which clips, by id, and captions the batch had; returns what to say.

        Raises `DataError` where the run is to stop, and after ten in a row.
        """
        document = {
            "step": step,
            "problem": problem,
            "clips": list(clips),
            "captions": list(captions),
        }
        self.path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        said = f"step {step} of stage {self.stage}: {problem}"
        if self.policy == "stop" or in_a_row >= MOST_IN_A_ROW:
            often = f" ({in_a_row} batches in a row)" if in_a_row > 1 else ""
            raise DataError(
                said + often,
                remedy=f"its clips and captions are in {self.path}; the last checkpoint is kept: "
                "look at them, lower optimiser.learning_rate or set optimiser.clip_norm",
            )
        return f"skipped: {said}; its clips are in {self.path}"
