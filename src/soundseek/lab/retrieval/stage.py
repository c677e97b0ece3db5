"""A stage of a retrieval system: pairs to learn from, and what its model is judged by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightning_fabric import Fabric
from torch import Tensor

from soundseek.lab.objectives.objective import Objective
from soundseek.lab.progress import Watch
from soundseek.lab.retrieval.batches import BatchMaker
from soundseek.lab.retrieval.build import resources_of, window_samples
from soundseek.lab.retrieval.figures import MONITOR
from soundseek.lab.retrieval.learner import Learner, Lesson
from soundseek.lab.retrieval.lessons import Division, LessonMaker
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.prepare import Part, Say
from soundseek.lab.retrieval.recipe import RetrievalRecipe
from soundseek.lab.retrieval.teachers import Teacher
from soundseek.lab.retrieval.trained import keep
from soundseek.lab.retrieval.validation import validation_figures
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.training.pairs import PairOrder
from soundseek.lab.training.stage import Monitor, TrainingStage
from soundseek.lab.training.tables import Tables


@dataclass(frozen=True)
class Material:
    """What a stage trains on; the makers are of the training and of the validation part."""

    train: Part
    validation: Part
    maker: BatchMaker
    validation_maker: BatchMaker
    teachers: list[Teacher]


class Stage(TrainingStage[Lesson]):
    """Trains `model` by the recipe of one stage. `before`: steps of the stages before it."""

    def __init__(
        self,
        name: str,
        recipe: RetrievalRecipe,
        model: RetrievalModel,
        objective: Objective,
        material: Material,
        folder: RunFolder,
        tables: Tables,
        say: Say,
        *,
        fabric: Fabric,
        before: int,
        watch: Watch | None = None,
    ) -> None:
        self.recipe, self.model, self.objective = recipe, model, objective
        self.material = material
        settings = recipe.optimiser
        self.order = PairOrder(
            material.train.clips,
            each=recipe.data.captions == "each",
            batch=settings.batch,
            seed=recipe.seed,
            bucket=recipe.data.bucket,
        )
        self.maker = LessonMaker(
            material.train,
            material.maker,
            material.teachers,
            self.order,
            Division(fabric.global_rank, fabric.world_size, settings.accumulate),
            seed=recipe.seed,
            before=before,
            pinned=fabric.device.type == "cuda",
        )
        model.audio.hear_windows(window_samples(recipe.audio, model.audio.audio_encoder))
        # What the stage before froze is free again, but for what an encoder keeps frozen itself.
        for tower, frozen in ((model.audio, recipe.audio.frozen), (model.text, recipe.text.frozen)):
            tower.requires_grad_(True)
            tower.freeze(frozen)
        super().__init__(
            name,
            settings=settings,
            run=recipe.run,
            seed=recipe.seed,
            learner=Learner(model, objective, recipe.augment.audio, fabric),
            model=model,
            batches=self.order.batches,
            monitor=Monitor(MONITOR),
            folder=folder,
            tables=tables,
            say=say,
            fabric=fabric,
            before=before,
            watch=watch,
        )

    def lessons(self, step: int) -> list[Lesson]:
        return self.maker.lessons(step)

    def weighted(self, terms: Mapping[str, Tensor]) -> Tensor:
        return self.objective.total(terms)

    def begin(self) -> None:
        """Let a frozen text encoder read every caption, once."""
        parts = (self.material.train, self.material.validation)
        self.model.text.remember(
            caption for part in parts for clip in part.clips for caption in clip.captions
        )

    def figures(self) -> dict[str, float]:
        return validation_figures(
            self.recipe,
            self.model,
            self.objective,
            self.material.validation,
            self.material.validation_maker,
            self.fabric,
        )

    def keep(self, figures: Mapping[str, float]) -> None:
        keep(self.kept, self.model, self.objective.state_dict(), figures)

    def state(self) -> dict[str, Any]:
        return {
            "resources": json.dumps(resources_of(self.model)),
            "model": self.model.state_dict(),
            "objective": self.objective.state_dict(),
        }

    def take(self, saved: Mapping[str, Any]) -> None:
        self.model.load_state_dict(saved["model"])
        self.objective.load_state_dict(saved["objective"])

    def contents(self, lessons: Sequence[Lesson]) -> tuple[list[str], list[str]]:
        clips = [self.material.train.clips[i].id for lesson in lessons for i in lesson.batch.clips]
        return clips, [text for lesson in lessons for text in lesson.batch.texts]

    def left_out(self) -> dict[str, str]:
        return {**self.material.train.left_out, **self.material.validation.left_out}
