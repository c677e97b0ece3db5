"""Caption-then-match (CMU 2022, section 3.2): a query is compared with captions that a captioner
wrote for the sounds; no sound is heard at this point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from soundseek.errors import DataError
from soundseek.lab.caption_matching.bm25 import Bm25
from soundseek.lab.caption_matching.cider import Cider
from soundseek.lab.caption_matching.generated import Generated, generated_for, read_generated
from soundseek.lab.caption_matching.scores import Comparison, Several, clip_scores
from soundseek.lab.caption_matching.vectors import Cosine, by_bundle, by_encoder
from soundseek.lab.data.manifest import Clip
from soundseek.lab.environment import write_environment
from soundseek.lab.evaluate import queries_of
from soundseek.lab.progress import Watch
from soundseek.lab.recipe_files import RecipeBase
from soundseek.lab.retrieval.clips import test_clips
from soundseek.lab.retrieval.prepare import Say
from soundseek.lab.retrieval.recipe import Data, Published, Text
from soundseek.lab.retrieval.report import SCORES, write_scores
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.similarities import Similarities
from soundseek.lab.training.settings import Run


class CaptionMatchRecipe(RecipeBase):
    """`captions`: a table of the test clips' generated captions (id or file_name;
    caption_predicted, prediction or caption, or caption_1, caption_2, …; commas or tabs), or the
    folder of a captioning run. A clip may have several rows.

    `compare`: how a query and a caption are compared. `embedding`: the cosine of what the encoder
    `text` makes of them; `bundle`: the same by the text side of the bundle `bundle` (a name or a
    path; null: the embedded model); `cider` and `bm25`: by the words that they share.

    `several`: of a clip with several captions the `max` of their scores counts, or the `mean`.
    """

    system: Literal["caption_match"]
    published: Published | None = None
    data: Data
    captions: str
    compare: Literal["embedding", "bundle", "cider", "bm25"] = "embedding"
    text: Text | None = None
    bundle: str | None = None
    several: Several = "max"
    run: Run = Run()

    @model_validator(mode="after")
    def _compared_by_what_is_named(self) -> Self:
        if self.compare == "embedding" and self.text is None:
            raise ValueError("compare: embedding needs an encoder: set text.encoder and text.model")
        for name, own in (("text", "embedding"), ("bundle", "bundle")):
            if self.compare != own and getattr(self, name) is not None:
                raise ValueError(f"{name} is for compare: {own} alone: set {name}: null")
        return self


def train(
    recipe: CaptionMatchRecipe, run_folder: Path, say: Say = print, *, watch: Watch | None = None
) -> Path:
    """Match and score (nothing is trained, so there is nothing to `watch`); returns the path of the
    scores.

    Raises `DataError` for clips of which the captions say nothing.
    """
    folder = RunFolder.claim(run_folder, recipe)
    write_environment(folder.path)
    clips = test_clips(recipe.data, say)
    if not clips:
        raise DataError(f"{recipe.name}: there is no test set", remedy="set data.test")
    generated = generated_for(clips, read_generated(Path(recipe.captions)), recipe.captions)
    say(generated.told())
    texts = sorted({caption for clip in clips for caption in clip.captions})
    say(f"comparing {len(texts)} queries with the captions of {len(clips)} clips")
    found = _similarities(recipe, clips, generated, comparison_of(recipe, generated, texts))
    write_scores(folder.path, recipe, recipe.published, found, say)
    return folder.path / SCORES


def comparison_of(
    recipe: CaptionMatchRecipe, generated: Generated, texts: Sequence[str]
) -> Comparison:
    """What compares the queries `texts` with generated captions. Raises as its encoder does."""
    if recipe.compare == "cider":
        return Cider(generated)
    if recipe.compare == "bm25":
        return Bm25(generated)
    if recipe.compare == "bundle" or recipe.text is None:
        return by_bundle(recipe.bundle, generated.texts)
    return by_encoder(recipe.text, generated.texts, texts, recipe.seed)


def _similarities(
    recipe: CaptionMatchRecipe, clips: list[Clip], generated: Generated, comparison: Comparison
) -> Similarities:
    queries, relevant = queries_of(clips)
    texts = sorted(set(queries))
    row = {text: place for place, text in enumerate(texts)}
    rows = np.array([row[query] for query in queries], np.intp)
    scores = clip_scores(comparison, generated, texts, recipe.several)[rows]
    audio = text = None
    if isinstance(comparison, Cosine) and all(len(own) == 1 for own in generated.of_clip):
        # One vector a clip, whose products the scores are.
        audio = comparison.vectors[[place for (place,) in generated.of_clip]]
        text = comparison.encode(texts)[rows]
    return Similarities(queries, clips, scores, relevant, audio, text)
