"""Training a captioning system, resumable to the same result; then its captions and figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from soundseek.lab.captioning.build import build_model, rebuild_model
from soundseek.lab.captioning.clips import captioned_sets
from soundseek.lab.captioning.decoding import allowed_words
from soundseek.lab.captioning.model import CaptioningModel
from soundseek.lab.captioning.prepare import Part, prepare_part
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.captioning.scoring import score_run
from soundseek.lab.captioning.stage import FIGURES, STAGE, TERM, CaptioningStage
from soundseek.lab.captioning.texts import captions_without_sounds, with_texts
from soundseek.lab.data.manifest import Clip
from soundseek.lab.links import linked
from soundseek.lab.progress import Watch
from soundseek.lab.recipe_files import validated
from soundseek.lab.reporting.report import tell_report
from soundseek.lab.retrieval.clips import ClipSets
from soundseek.lab.run_clips import write_clips
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.training.kept import KEPT, stage_file
from soundseek.lab.training.launch import launch, loggers_of, silent
from soundseek.lab.training.tables import Tables

Say = Callable[[str], None]


def train(
    recipe: CaptioningRecipe, run_folder: Path, say: Say = print, *, watch: Watch | None = None
) -> Path:
    """Train, or resume what stands in `run_folder`; returns the path of the model that was kept.

    The folder gets recipe.json, metrics.csv, validation.csv, last.pt, best.pt, and captions.csv and
    scores.json where there is a test set. Raises `RecipeError` if the folder holds a run of another
    recipe.
    """

    def work(folder: RunFolder, say: Say, watch: Watch | None, fabric: Fabric) -> None:
        _Training(recipe, folder, say, watch, fabric).run()

    launch(recipe, recipe.run, run_folder, work, accompany=_accompany, say=say, watch=watch)
    return run_folder / KEPT


def _accompany(document: Mapping[str, Any], run_folder: Path) -> None:
    """What a companion process does of a training."""
    train(validated(CaptioningRecipe, document, str(run_folder)), run_folder, silent)


class _Training:
    def __init__(
        self,
        recipe: CaptioningRecipe,
        folder: RunFolder,
        say: Say,
        watch: Watch | None,
        fabric: Fabric,
    ) -> None:
        self.recipe, self.folder, self.say, self.watch = recipe, folder, say, watch
        self.fabric = fabric
        self.cache = folder.cache_for(recipe.run.cache)

    def run(self) -> None:
        saved = self.folder.saved()
        clips = captioned_sets(self.recipe, self.say)
        model = self._model(clips, saved)
        # A file that is missing shall not be missed at the end.
        allowed_words(model.captioner, self.recipe.decoding)
        train = with_texts(self._part("training", clips.train, model), self.recipe, model, self.say)
        validation = self._part("validation", clips.validation, model)
        if saved is None and self.fabric.is_global_zero:
            self.folder.rewind(0)
        done = 0 if saved is None else int(saved["progress"]["step"])
        opened = loggers_of(
            self.recipe, self.recipe.run, self.folder, self.fabric, done=done, say=self.say
        )
        with closing(opened) as loggers:
            tables = Tables(self.folder, loggers, terms=(TERM,), figures=FIGURES)
            stage = CaptioningStage(
                self.recipe,
                model,
                train,
                validation,
                self.folder,
                tables,
                self.say,
                fabric=self.fabric,
                watch=self.watch,
            )
            if saved is not None:
                stage.restore(saved)
            self._note_clips(train, validation)
            stage.run()
            self._note_clips(train, validation)
            self.fabric.barrier()  # the first process writes what all go on with
        kept = torch.load(stage.kept, map_location=model.device, weights_only=True)
        model.load_state_dict(kept["model"])
        if not self.fabric.is_global_zero:
            return
        linked(self.folder.path / stage_file(STAGE), self.folder.path / KEPT)
        if clips.test:
            # By this process alone: the others are done.
            part = prepare_part("test", clips.test, self.recipe, model, self.cache, self.say)
            score_run(self.folder.path, self.recipe, model, part, self.say)
        else:
            tell_report(self.folder.path, self.say)

    def _part(self, name: str, clips: list[Clip], model: CaptioningModel) -> Part:
        with self.fabric.rank_zero_first():
            return prepare_part(name, clips, self.recipe, model, self.cache, self.say)

    def _model(self, clips: ClipSets, saved: Mapping[str, Any] | None) -> CaptioningModel:
        """Fresh from the recipe, or as a checkpoint describes it (its weights come later)."""
        if saved is not None:
            model = rebuild_model(self.recipe, json.loads(saved["resources"]))
            # What a frozen encoder hears is kept by its weights.
            model.load_state_dict(saved["model"])
        else:
            self.say(f"building {self.recipe.audio.encoder} and the captioner")
            model = build_model(self.recipe, self._captions(clips))
        if self.fabric.world_size > 1 and self.fabric.device.type == "cuda":
            torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return model.to(self.fabric.device)

    def _captions(self, clips: ClipSets) -> list[str]:
        """What tokens may be learnt from."""
        captions = {caption for clip in clips.train for caption in clip.captions}
        return sorted(captions.union(captions_without_sounds(self.recipe)))

    def _note_clips(self, train: Part, validation: Part) -> None:
        if self.fabric.is_global_zero:
            write_clips(
                self.folder.path,
                STAGE,
                {"training": train.clips, "validation": validation.clips},
                {**train.left_out, **validation.left_out},
            )
