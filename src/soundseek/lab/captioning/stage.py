"""The training of a captioner: captions to learn from, and the loss that it is judged by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from soundseek.errors import DataError
from soundseek.lab.captioning.build import resources_of
from soundseek.lab.captioning.lessons import Lesson, LessonMaker
from soundseek.lab.captioning.model import CaptioningModel
from soundseek.lab.captioning.prepare import Part, Say
from soundseek.lab.captioning.recipe import CaptioningRecipe, CaptionObjective
from soundseek.lab.captioning.trained import keep
from soundseek.lab.data.manifest import Clip
from soundseek.lab.devices import reduced
from soundseek.lab.progress import Watch
from soundseek.lab.retrieval.lessons import Division
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.training.pairs import Pair, PairOrder
from soundseek.lab.training.stage import Monitor, TrainingStage
from soundseek.lab.training.tables import Tables

STAGE: Final = "train"
"""The only stage."""
TERM: Final = "cross_entropy"
FIGURES: Final = ("loss", "perplexity")


class Learner(nn.Module):
    """The model as what recipes call `audio.encoder…` and `captioner…`."""

    def __init__(self, model: CaptioningModel, objective: CaptionObjective) -> None:
        super().__init__()
        self.audio, self.captioner = model.audio, model.captioner
        self._model = (model,)  # in a tuple: its parts have their names already
        self._objective = objective

    def forward(self, lesson: Lesson) -> Mapping[str, Tensor]:
        """The term of a lesson. Raises `DataError` where it is not finite."""
        sequence, mask = sound_of(self._model[0], lesson)
        sums, counts = self.captioner.token_losses(
            sequence,
            mask,
            lesson.ids.to(sequence.device),
            label_smoothing=self._objective.label_smoothing,
            pads_in_loss=self._objective.pads_in_loss,
        )
        loss = sums.sum() / (counts.sum() if lesson.tokens is None else lesson.tokens)
        if not bool(torch.isfinite(loss)):
            raise DataError(f"{TERM} is {loss.item()}")
        return {TERM: loss}


class CaptioningStage(TrainingStage[Lesson]):
    """Trains a captioning model by its recipe."""

    def __init__(
        self,
        recipe: CaptioningRecipe,
        model: CaptioningModel,
        train: Part,
        validation: Part,
        folder: RunFolder,
        tables: Tables,
        say: Say,
        *,
        fabric: Fabric,
        watch: Watch | None = None,
    ) -> None:
        self.recipe, self.model = recipe, model
        self.train, self.validation = train, validation
        settings, tokens = recipe.optimiser, model.captioner.tokens
        self.order = order_of(recipe, train.clips)
        division = Division(fabric.global_rank, fabric.world_size, settings.accumulate)
        self.maker = LessonMaker(train, tokens, recipe, self.order, division)
        judged = PairOrder(validation.clips, each=True, batch=settings.batch, seed=recipe.seed)
        self.judged = LessonMaker(validation, tokens, recipe, judged, Division())
        super().__init__(
            STAGE,
            settings=settings,
            run=recipe.run,
            seed=recipe.seed,
            learner=Learner(model, recipe.objective),
            model=model,
            batches=self.order.batches,
            monitor=Monitor("loss", higher_is_better=False),
            folder=folder,
            tables=tables,
            say=say,
            fabric=fabric,
            before=0,
            watch=watch,
        )

    def lessons(self, step: int) -> list[Lesson]:
        return self.maker.lessons(step)

    def weighted(self, terms: Mapping[str, Tensor]) -> Tensor:
        return terms[TERM]

    def figures(self) -> dict[str, float]:
        """`loss`: the mean over all tokens of the validation captions, as the objective counts
        them but without smoothing; `perplexity`: of that."""
        self.model.eval()
        own = slice(self.fabric.global_rank, None, self.fabric.world_size)
        total = torch.zeros(2, dtype=torch.float64)
        with torch.no_grad(), self.fabric.autocast():
            for pairs in self._judged_batches()[own]:
                lesson = self.judged.plain(pairs)
                if not lesson.clips:
                    continue
                sequence, mask = sound_of(self.model, lesson)
                sums, counts = self.model.captioner.token_losses(
                    sequence,
                    mask,
                    lesson.ids.to(sequence.device),
                    pads_in_loss=self.recipe.objective.pads_in_loss,
                )
                total += torch.stack([sums.sum().cpu(), counts.sum().cpu()]).double()
        if self.fabric.world_size > 1:
            total = reduced(self.fabric, total, "sum").cpu()
        if not total[1]:
            raise DataError(
                f"none of the {len(self.validation.clips)} clips of validation can be read",
                remedy="check the corpus: soundseek data check MANIFEST --deep",
            )
        loss = total[0] / total[1]
        return {"loss": float(loss), "perplexity": float(loss.exp())}

    def keep(self, figures: Mapping[str, float]) -> None:
        keep(self.kept, self.model, figures)

    def state(self) -> dict[str, Any]:
        return {
            "resources": json.dumps(resources_of(self.model)),
            "model": self.model.state_dict(),
        }

    def take(self, saved: Mapping[str, Any]) -> None:
        self.model.load_state_dict(saved["model"])

    def contents(self, lessons: Sequence[Lesson]) -> tuple[list[str], list[str]]:
        clips = [self.train.clips[i].id for lesson in lessons for i in lesson.clips]
        return clips, [text for lesson in lessons for text in lesson.texts]

    def left_out(self) -> dict[str, str]:
        return {**self.train.left_out, **self.validation.left_out}

    def _judged_batches(self) -> list[list[Pair]]:
        """Every caption of the validation clips; clips of about one length go together."""
        clips, size = self.validation.clips, self.recipe.optimiser.batch
        order = sorted(range(len(clips)), key=lambda clip: clips[clip].duration_s)
        pairs = [Pair(clip, i, 0) for clip in order for i in range(len(clips[clip].captions))]
        return [pairs[start : start + size] for start in range(0, len(pairs), size)]


def order_of(recipe: CaptioningRecipe, clips: Sequence[Clip]) -> PairOrder:
    """The captions of an epoch, those without sounds among `clips`."""
    return PairOrder(
        clips,
        each=recipe.data.captions == "each",
        batch=recipe.optimiser.batch,
        seed=recipe.seed,
        bucket=recipe.data.bucket,
        # What was heard before has few steps: padding is in the captions.
        long="caption" if recipe.audio.frozen else "clip",
    )


def sound_of(model: CaptioningModel, lesson: Lesson) -> tuple[Tensor, Tensor]:
    """Steps and their mask on the model's device: as they were heard before, or heard now."""
    if lesson.steps is not None and lesson.mask is not None:
        return lesson.steps.to(model.device), lesson.mask.to(model.device)
    assert lesson.waveforms is not None
    assert lesson.samples is not None
    return model.hear(lesson.waveforms.to(model.device), lesson.samples.to(model.device))
