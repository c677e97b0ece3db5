"""Training a retrieval system: its stages, one after the other, resumable; then its figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from soundseek.lab.data.manifest import Clip
from soundseek.lab.links import linked
from soundseek.lab.progress import Watch
from soundseek.lab.recipe_files import validated
from soundseek.lab.reporting.report import tell_report
from soundseek.lab.retrieval.batches import BatchMaker
from soundseek.lab.retrieval.build import build_model, build_objective, rebuild_model
from soundseek.lab.retrieval.clips import ClipSets, clip_sets, extra_captions
from soundseek.lab.retrieval.figures import retrieval_tables
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.prepare import Part, prepare_part, text_resources
from soundseek.lab.retrieval.recipe import OF_STAGE, RetrievalRecipe
from soundseek.lab.retrieval.report import score_run
from soundseek.lab.retrieval.sharing import handed_over
from soundseek.lab.retrieval.stage import Material, Stage
from soundseek.lab.retrieval.teachers import Teacher, listen
from soundseek.lab.retrieval.trained import load_trained
from soundseek.lab.run_clips import write_clips
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.training.kept import KEPT, stage_file
from soundseek.lab.training.launch import launch, loggers_of, silent
from soundseek.lab.training.tables import Tables

Say = Callable[[str], None]


def train(
    recipe: RetrievalRecipe, run_folder: Path, say: Say = print, *, watch: Watch | None = None
) -> Path:
    """Train, or resume what stands in `run_folder`; returns the path of the model that was kept.

    The folder gets recipe.json, metrics.csv, validation.csv, last.pt, a kept model a stage,
    best.pt (that of the last stage), and scores.json and predictions.csv where there is a test
    set. Raises `RecipeError` if the folder holds a run of another recipe.
    """

    def work(folder: RunFolder, say: Say, watch: Watch | None, fabric: Fabric) -> None:
        _Training(recipe, folder, say, watch, fabric).run()

    launch(recipe, recipe.run, run_folder, work, accompany=_accompany, say=say, watch=watch)
    return run_folder / KEPT


def _accompany(document: Mapping[str, Any], run_folder: Path) -> None:
    """What a companion process does of a training."""
    train(validated(RetrievalRecipe, document, str(run_folder)), run_folder, silent)


class _Training:
    def __init__(
        self,
        recipe: RetrievalRecipe,
        folder: RunFolder,
        say: Say,
        watch: Watch | None,
        fabric: Fabric,
    ) -> None:
        self.recipe, self.folder, self.say, self.watch = recipe, folder, say, watch
        self.fabric = fabric
        self.cache = folder.cache_for(recipe.run.cache)
        self.stages = list(recipe.plain_stages())
        self._sets: dict[str, ClipSets] = {}
        self._parts: dict[tuple[str, ...], Part] = {}

    def run(self) -> None:
        saved = self.folder.saved()
        handed = handed_over(self.folder.path) if saved is None else None
        model = self._model(saved or (handed.kept if handed is not None else None))
        names = [name for name, _ in self.stages]
        first, before = 0, 0
        learnt: Mapping[str, Tensor] = {}
        if saved is not None:
            first, before = names.index(saved["stage"]), int(saved["before"])
        elif handed is not None:
            self.say(f"{handed.stage} and what came before it: as another run trained it")
            first, before = names.index(handed.stage) + 1, handed.before
            model.load_state_dict(handed.kept["model"])
            learnt = handed.kept["objective"]
        if saved is None and self.fabric.is_global_zero:
            self.folder.rewind(before)
        done = before if saved is None else before + int(saved["progress"]["step"])
        opened = loggers_of(
            self.recipe, self.recipe.run, self.folder, self.fabric, done=done, say=self.say
        )
        with closing(opened) as loggers:
            tables = retrieval_tables(self.folder, loggers)
            for name, recipe in self.stages[first:]:
                stage = self._stage(name, recipe, model, learnt, before, tables)
                if saved is not None and name == saved["stage"]:
                    stage.restore(saved)
                self._note_clips(stage)
                stage.run()
                self._note_clips(stage)  # with those that turned out to be unreadable
                self.fabric.barrier()  # the first process writes what all go on with
                kept = torch.load(stage.kept, map_location=model.device, weights_only=True)
                model.load_state_dict(kept["model"])
                learnt = kept["objective"]
                before += stage.progress.step
        if self.fabric.is_global_zero:
            linked(self.folder.path / stage_file(names[-1]), self.folder.path / KEPT)
        self._score(model)

    def _note_clips(self, stage: Stage) -> None:
        if self.fabric.is_global_zero:
            parts = {"training": stage.material.train, "validation": stage.material.validation}
            write_clips(
                self.folder.path,
                stage.name,
                {name: part.clips for name, part in parts.items()},
                {clip: why for part in parts.values() for clip, why in part.left_out.items()},
            )

    def _model(self, saved: Mapping[str, Any] | None) -> RetrievalModel:
        """Fresh from the recipe, or as a checkpoint describes it (its weights come later)."""
        if saved is not None:
            model = rebuild_model(self.recipe, json.loads(saved["resources"]))
        else:
            clips = [clip for _, recipe in self.stages for clip in self._clips(recipe).train]
            texts = sorted({caption for clip in clips for caption in clip.captions})
            self.say(f"building {self.recipe.audio.encoder} and {self.recipe.text.encoder}")
            model = build_model(self.recipe, texts)
        for tower in (model.audio.encoder, model.text.encoder):
            told = getattr(tower, "report", None)
            if told is not None:
                self.say(f"{type(tower).__name__}: {told()}")
        # Convolutions run a fifth faster with the channels innermost.
        model.audio.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.fabric.world_size > 1 and self.fabric.device.type == "cuda":
            torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return model.to(self.fabric.device)

    def _stage(
        self,
        name: str,
        recipe: RetrievalRecipe,
        model: RetrievalModel,
        learnt: Mapping[str, Tensor],
        before: int,
        tables: Tables,
    ) -> Stage:
        clips = self._clips(recipe)
        train = self._part("training", clips.train, recipe, model)
        objective = build_objective(recipe, model).to(model.device)
        # What the terms of the stage before learnt goes on where the same terms stand here.
        own = objective.state_dict()
        own.update({key: value for key, value in learnt.items() if key in own})
        objective.load_state_dict(own)
        with self.fabric.rank_zero_first():
            resources = text_resources(recipe.augment, clips, self.cache, self.say)
        extra = extra_captions(clips.train, recipe.data, self.say) if _exchanges(recipe) else {}
        validation = self._part("validation", clips.validation, recipe, model)
        material = Material(
            train,
            validation,
            BatchMaker(train.sounds, recipe.augment, resources, recipe.seed, extra),
            BatchMaker(validation.sounds, recipe.augment, resources, recipe.seed),
            self._teachers(recipe, train),
        )
        return Stage(
            name,
            recipe,
            model,
            objective,
            material,
            self.folder,
            tables,
            self.say,
            fabric=self.fabric,
            before=before,
            watch=self.watch,
        )

    def _clips(self, recipe: RetrievalRecipe) -> ClipSets:
        data = recipe.data
        if _exchanges(recipe):
            data = data.model_copy(update={"extra_captions": ()})
        key = f"{recipe.seed} {data.model_dump_json()}"
        if key not in self._sets:
            self._sets[key] = clip_sets(data, recipe.seed, self.say)
        return self._sets[key]

    def _part(
        self, name: str, clips: list[Clip], recipe: RetrievalRecipe, model: RetrievalModel
    ) -> Part:
        audio = recipe.audio.model_dump_json()
        key = (name, str(recipe.seed), recipe.data.model_dump_json(), audio)
        if key not in self._parts:
            with self.fabric.rank_zero_first():
                self._parts[key] = prepare_part(name, clips, recipe, model, self.cache, self.say)
        return self._parts[key]

    def _teachers(self, recipe: RetrievalRecipe, train: Part) -> list[Teacher]:
        teachers = []
        for place in recipe.teachers:
            folder, file = Path(place), KEPT
            if place.startswith(OF_STAGE):
                folder, file = self.folder.path, stage_file(place.removeprefix(OF_STAGE))
            self.say(f"listening with the teacher {place}")
            trained = load_trained(folder, file)
            ahead = recipe.run.decode == "ahead"
            with self.fabric.rank_zero_first():
                teachers.append(listen(trained, train.clips, self.cache, ahead=ahead))
        return teachers

    def _score(self, model: RetrievalModel) -> None:
        _, recipe = self.stages[-1]
        clips = self._clips(recipe).test
        if not clips:
            if self.fabric.is_global_zero:
                tell_report(self.folder.path, self.say)
            return
        part = self._part("test", clips, recipe, model)
        if self.fabric.is_global_zero:
            score_run(self.folder.path, recipe, model, part, self.say)


def _exchanges(recipe: RetrievalRecipe) -> bool:
    """Whether extra captions take the place of others, rather than being items of their own."""
    return recipe.augment.text.p_extra > 0
