"""A recipe made small enough to run in seconds on a CPU: the same code, other sizes and data."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from soundseek.lab.audio_encoders import encoder_class
from soundseek.lab.data.manifest import read_clips_jsonl
from soundseek.lab.recipe_files import validated
from soundseek.lab.retrieval.caption_match import CaptionMatchRecipe
from soundseek.lab.retrieval.ensemble import EnsembleRecipe, members_of
from soundseek.lab.retrieval.recipe import OF_STAGE, RetrievalRecipe
from soundseek.lab.retrieval.synthetic import write_synthetic_corpus
from soundseek.lab.text_encoders import text_encoder_class

_CLASSES = 6
_DIMENSION = 16
# Options that name files, and those that take out more than a second of sound has.
_CHANGED: Mapping[str, Any] = MappingProxyType(
    {
        "vggish_checkpoint": None,
        "pca_checkpoint": None,
        "patchout_time": 1,
        "patchout_frequency": 1,
    }
)
_MOST_MEMBERS = 2


def tiny(recipe: RetrievalRecipe, folder: Path) -> RetrievalRecipe:
    """The recipe with tiny encoders of random weights, on synthetic sounds in `folder`, for two
    steps a stage.

    Everything else stays: objective, augmentation, stages, schedule, windows, projections. What
    needs files that are not shipped (WordNet, translations) is switched off, and a teacher that is
    a run of its own gives way to the first stage.
    """
    document = recipe.model_dump()
    root = str(write_synthetic_corpus(folder))
    document["data"] = tiny_data(document["data"], root)
    document["audio"] = _audio(document["audio"])
    document["text"] = _text(document["text"])
    document["space"]["dimension"] = _DIMENSION
    document["optimiser"] |= {"batch": 6, "epochs": 1, "max_steps": 2}
    document["augment"]["text"] |= {"p_back_translation": 0.0, "p_synonym": 0.0}
    document["run"] |= tiny_run(folder)
    first, _ = next(recipe.plain_stages())
    document["teachers"] = _teachers(document["teachers"], first)
    document["stages"] = [_stage(stage, root, first) for stage in document["stages"]]
    document["name"] = tiny_name(recipe.name)
    return validated(RetrievalRecipe, document, recipe.name)


def tiny_ensemble(recipe: EnsembleRecipe, folder: Path) -> EnsembleRecipe:
    """The ensemble with its first and its last model alone, each of them `tiny`."""
    models = members_of(recipe)
    chosen = [models[0], models[-1]] if len(models) >= _MOST_MEMBERS else models
    members = [
        {
            "recipe": model.recipe.name,
            "difference": _tiny_member(model.recipe, folder).model_dump(),
            "seeds": [model.recipe.seed],
        }
        for model in chosen
    ]
    document = recipe.model_dump() | {"members": members, "difference": {}}
    return validated(EnsembleRecipe, document | {"name": tiny_name(recipe.name)}, recipe.name)


def tiny_caption_match(recipe: CaptionMatchRecipe, folder: Path) -> CaptionMatchRecipe:
    """The recipe with a tiny text encoder, on synthetic sounds with captions made up for them."""
    document = recipe.model_dump()
    root = write_synthetic_corpus(folder)
    document["data"] = tiny_data(document["data"], str(root))
    if document["text"] is not None:
        document["text"] = _text(document["text"])
    # A bundle of one's own may not be here: the embedded model always is.
    document["bundle"] = None
    document["run"] |= tiny_run(folder)
    document["captions"] = str(_made_up_captions(root))
    document["name"] = tiny_name(recipe.name)
    return validated(CaptionMatchRecipe, document, recipe.name)


def _tiny_member(
    recipe: RetrievalRecipe | CaptionMatchRecipe, folder: Path
) -> RetrievalRecipe | CaptionMatchRecipe:
    if isinstance(recipe, CaptionMatchRecipe):
        return tiny_caption_match(recipe, folder)
    return tiny(recipe, folder)


def _made_up_captions(root: Path) -> Path:
    """One for each clip, as a captioner writes them."""
    clips = read_clips_jsonl(root / "clips.jsonl")
    path = root / "generated.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "caption_predicted"])
        writer.writerows([clip.id, f"there is {clip.captions[0]}"] for clip in clips)
    return path


def tiny_name(name: str) -> str:
    """What a recipe that was made small is called."""
    return f"{name} (tiny)"


def tiny_run(folder: Path) -> dict[str, Any]:
    """Settings of `run` that change for a trial of seconds."""
    return {
        "cache": str(folder / "cache"),
        "device": "cpu",
        "threads": 1,
        "log_steps": 1,
        "precision": "fp32",
    }


def _teachers(places: Sequence[str], first: str) -> list[str]:
    return [place if place.startswith(OF_STAGE) else OF_STAGE + first for place in places]


def tiny_data(data: Mapping[str, Any], root: str) -> dict[str, Any]:
    """The data section, over the synthetic corpus at `root`."""

    def of(split: str) -> list[dict[str, Any]]:
        return [{"corpus": "clips", "root": root, "split": split}]

    return {
        **data,
        **{split: of(split) for split in ("train", "validation", "test")},
        "extra_captions": (),
        "most_clips": None,
    }


def _audio(audio: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **audio,
        **tiny_encoder(audio),
        "projection": _narrow(audio["projection"]),
    }


def tiny_encoder(audio: Mapping[str, Any]) -> dict[str, Any]:
    """What changes of an audio section: a small encoder and tagger of random weights, short
    clips."""
    events, window = audio["events"], audio["window_s"]
    if events is not None:
        sizes = {**encoder_class(events["tagger"]).TINY, "classes": _CLASSES}
        events = events | {"weights": "random", "checkpoint": None, "options": sizes}
    return {
        "weights": "random",
        "checkpoint": None,
        "options": _tiny_options(audio["options"], encoder_class(audio["encoder"]).TINY),
        "events": events,
        "max_s": 3.0,
        "window_s": None if window is None else 1.0,
    }


def _text(text: Mapping[str, Any]) -> dict[str, Any]:
    kind = text_encoder_class(text["encoder"])
    return {
        **text,
        "weights": "random",
        "model": None,
        "options": _tiny_options(text["options"], kind.TINY),
        "projection": _narrow(text["projection"]),
    }


def _tiny_options(options: Mapping[str, Any], sizes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _CHANGED.get(key, value) for key, value in options.items()} | dict(sizes)


def _narrow(projection: tuple[int, ...] | None) -> tuple[int, ...]:
    """As many layers, 8 wide; one layer where the full sizes match without any."""
    return () if projection is None else tuple(8 for _ in projection)


def _stage(stage: Mapping[str, Any], root: str, first: str) -> dict[str, Any]:
    changed = dict(stage)
    if "teachers" in changed:
        changed["teachers"] = _teachers(changed["teachers"], first)
    if "data" in changed:
        changed["data"] = tiny_data(changed["data"], root)
    if "optimiser" in changed:
        changed["optimiser"] = {**changed["optimiser"], "batch": 6, "epochs": 1, "max_steps": 2}
    if "audio" in changed:
        limits = {"max_s": 3.0, "window_s": 1.0}
        changed["audio"] = {
            key: value if value is None else limits.get(key, value)
            for key, value in changed["audio"].items()
        }
    if "augment" in changed and "text" in changed["augment"]:
        text = {**changed["augment"]["text"], "p_back_translation": 0.0, "p_synonym": 0.0}
        changed["augment"] = {**changed["augment"], "text": text}
    return changed
