"""What a finished run leaves of its test set: figures, predictions, similarities, a report."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from soundseek.lab.recipe_files import RecipeBase
from soundseek.lab.reporting.figures import measured
from soundseek.lab.reporting.report import tell_report
from soundseek.lab.retrieval.embedding import embed_clips, embed_texts
from soundseek.lab.retrieval.model import RetrievalModel
from soundseek.lab.retrieval.prepare import Part, Say
from soundseek.lab.retrieval.recipe import Published, RetrievalRecipe
from soundseek.lab.retrieval.scores import write_predictions
from soundseek.lab.run_folder import PREDICTIONS as PREDICTIONS
from soundseek.lab.run_folder import SCORES as SCORES
from soundseek.lab.run_folder import SIMILARITIES
from soundseek.lab.similarities import Similarities, similarities


@torch.no_grad()
def similarities_of(model: RetrievalModel, recipe: RetrievalRecipe, part: Part) -> Similarities:
    """Every caption of the part against every clip of it."""
    audio = embed_clips(model, part.store, max_s=recipe.audio.max_s, events=part.events)
    texts = sorted({caption for clip in part.clips for caption in clip.captions})
    return similarities(part.clips, audio, texts, embed_texts(model, texts))


def score_run(
    folder: Path, recipe: RetrievalRecipe, model: RetrievalModel, part: Part, say: Say
) -> None:
    """Score the test set, next to what the report of the recipe published."""
    write_scores(folder, recipe, recipe.published, similarities_of(model, recipe, part), say)


def write_scores(
    folder: Path, recipe: RecipeBase, published: Published | None, found: Similarities, say: Say
) -> None:
    """scores.json, predictions.csv and similarities/test of a test set, and the run's report.

    Scores are written first: a report that fails is told of, and can be made again.
    """
    figures = measured(found)
    document = {
        "recipe": recipe.name,
        "seed": recipe.seed,
        **figures,
        "published": None if published is None else published.model_dump(mode="json"),
    }
    file = folder / SCORES
    draft = file.with_suffix(".partial")
    draft.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    draft.replace(file)
    write_predictions(found, folder / PREDICTIONS)
    found.save(folder / SIMILARITIES / "test")
    shown = "  ".join(f"{name} {one['value']:.4f}" for name, one in figures["metrics"].items())
    say(f"test ({len(found.clips)} clips, {len(found.queries)} queries)  {shown}")
    tell_report(folder, say)
