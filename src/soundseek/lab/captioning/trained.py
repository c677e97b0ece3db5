"""Reading what a captioning run left: its recipe and the model that it kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from soundseek.errors import DataError
from soundseek.lab.captioning.build import rebuild_model, resources_of
from soundseek.lab.captioning.model import CaptioningModel
from soundseek.lab.captioning.recipe import CaptioningRecipe
from soundseek.lab.recipe_files import validated
from soundseek.lab.run_folder import RunFolder, save_whole
from soundseek.lab.training.kept import KEPT, read_kept

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Trained:
    """A model in eval mode, and the recipe that it comes from."""

    recipe: CaptioningRecipe
    model: CaptioningModel


def keep(path: Path, model: CaptioningModel, figures: Mapping[str, float]) -> None:
    """Write a model with all that is needed to read it again; to a temporary name, then renamed.

    Raises `DataError` where it cannot be written.
    """
    save_whole(
        {
            "schema_version": SCHEMA_VERSION,
            "model": model.state_dict(),
            "resources": json.dumps(resources_of(model)),
            "figures": dict(figures),
        },
        path,
    )


def load_trained(run_folder: Path, file: str = KEPT) -> Trained:
    """The model that a run kept. Raises `DataError` where there is none, a newer one, or one of
    another system."""
    document = RunFolder(run_folder).document()
    if document["system"] != "captioning":
        raise DataError(
            f"{run_folder} holds a run of a {document['system']} system",
            remedy="name a run of a captioning recipe, see `soundseek recipes list`",
        )
    saved = read_kept(run_folder, file, newest=SCHEMA_VERSION)
    recipe = validated(CaptioningRecipe, document, str(run_folder))
    model = rebuild_model(recipe, json.loads(saved["resources"]))
    model.load_state_dict(saved["model"])
    return Trained(recipe, model.eval())
