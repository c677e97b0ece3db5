"""Folders of captioning runs that nobody trained: tiny networks of lively random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SPREAD, HEARING = 40.0, 6.0
"""Weights so many times as large say something else of every sound."""


def untrained_run(folder: Path, name: str, sounds: Path, *overrides: str) -> Any:
    """Make `folder` a run of the shipped recipe `name` made tiny, with its clips in `sounds`, that
    has kept a model; returns the recipe."""
    import torch

    from soundseek.lab.captioning.build import build_model
    from soundseek.lab.captioning.tiny import tiny
    from soundseek.lab.captioning.trained import keep
    from soundseek.lab.retrieval.clips import clip_sets
    from soundseek.lab.run_folder import RunFolder
    from soundseek.lab.systems import load_recipe

    recipe = tiny(load_recipe(name, overrides), sounds)  # type: ignore[arg-type]
    texts = [text for clip in clip_sets(recipe.data, 0, print).train for text in clip.captions]
    model = build_model(recipe, texts)
    with torch.no_grad():
        for part, factor in ((model.captioner, SPREAD), (model.audio, HEARING)):
            for weights in part.parameters():
                if weights.ndim > 1:
                    weights *= factor
    RunFolder.claim(folder, recipe)
    keep(folder / "best.pt", model, {})
    return recipe
