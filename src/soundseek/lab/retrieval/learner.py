"""What a step of training computes: from batches to the terms of the objective."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from soundseek.lab.augment.settings import AudioAugment
from soundseek.lab.objectives.fusing import FUSING_TERMS
from soundseek.lab.objectives.objective import Objective
from soundseek.lab.retrieval.batches import Batch
from soundseek.lab.retrieval.gathering import gathered
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.outputs import pair_batch


class Lesson:
    """A batch and what goes with it. No dataclass: Fabric would cast the waveforms of one to the
    precision of the networks, before any front-end has seen them.

    `own_chance`: draws of this process alone; `shared_chance`: the same in all.
    """

    def __init__(
        self,
        batch: Batch,
        own_chance: torch.Generator,
        shared_chance: torch.Generator,
        events: Tensor | None = None,
        correspondences: Tensor | None = None,
    ) -> None:
        self.batch = batch
        self.own_chance, self.shared_chance = own_chance, shared_chance
        self.events, self.correspondences = events, correspondences


class Learner(nn.Module):
    """Model and objective as one module: the parts that recipes call `audio.encoder…`,
    `audio.projection…`, `text.…` and `objective.…`."""

    def __init__(
        self, model: RetrievalModel, objective: Objective, augment: AudioAugment, fabric: Fabric
    ) -> None:
        super().__init__()
        self.audio, self.text, self.objective = model.audio, model.text, objective
        self._model = (model,)  # in a tuple: its parts have their names already
        self._augment, self._fabric = augment, fabric

    @property
    def model(self) -> RetrievalModel:
        return self._model[0]

    def forward(self, lesson: Lesson) -> Mapping[str, Tensor]:
        """The unweighted terms over the pairs of all processes. Raises `DataError` where one is not
        finite."""
        encoder: Any = self.audio.encoder
        if hasattr(encoder, "patchout_generator"):
            encoder.patchout_generator = lesson.own_chance
        pairs = pair_batch(
            self.model,
            lesson.batch,
            self._augment,
            lesson.shared_chance,
            events=lesson.events,
            correspondences=lesson.correspondences,
        )
        if self._fabric.world_size > 1:
            fusing = any(key.startswith(FUSING_TERMS) for key in self.objective.terms)
            pairs = gathered(pairs, self._fabric, sequences=fusing)
        terms: Mapping[str, Tensor] = self.objective(pairs)
        return terms
