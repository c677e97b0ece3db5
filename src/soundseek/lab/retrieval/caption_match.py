"""Caption-then-match (CMU 2022, section 3.2): a query is compared with captions that a captioner
wrote for the sounds; no sound is heard at this point."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from soundseek.errors import DataError
from soundseek.lab.data.manifest import Clip
from soundseek.lab.environment import write_environment
from soundseek.lab.progress import Watch
from soundseek.lab.recipe_files import RecipeBase
from soundseek.lab.retrieval.build import build_text_encoder, written_as
from soundseek.lab.retrieval.clips import test_clips
from soundseek.lab.retrieval.prepare import Say
from soundseek.lab.retrieval.recipe import Data, Published, Text
from soundseek.lab.retrieval.report import SCORES, write_scores
from soundseek.lab.retrieval.towers import TextTower
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.similarities import similarities
from soundseek.lab.training.settings import Run

_NAMES = ("id", "file_name")
_CAPTIONS = ("caption_predicted", "prediction", "caption")
_BATCH = 64


class CaptionMatchRecipe(RecipeBase):
    """`captions`: a CSV of the test clips' generated captions (id or file_name; caption_predicted,
    prediction or caption; commas or tabs); `text`: what compares captions and queries."""

    system: Literal["caption_match"]
    published: Published | None = None
    data: Data
    captions: str
    text: Text
    run: Run = Run()


def train(
    recipe: CaptionMatchRecipe, run_folder: Path, say: Say = print, *, watch: Watch | None = None
) -> Path:
    """Match and score (nothing is trained, so there is nothing to `watch`); returns the path of the
    scores.

    Raises `DataError` for clips without a generated caption.
    """
    folder = RunFolder.claim(run_folder, recipe)
    write_environment(folder.path)
    clips = test_clips(recipe.data, say)
    if not clips:
        raise DataError(f"{recipe.name}: there is no test set", remedy="set data.test")
    written = read_generated(Path(recipe.captions))
    generated = generated_for(clips, written, recipe.captions)
    texts = sorted({caption for clip in clips for caption in clip.captions})
    torch.manual_seed(recipe.seed)
    encoder = build_text_encoder(recipe.text, sorted({*texts, *generated}))
    tower = TextTower(
        encoder, projected=torch.nn.Identity(), frozen=True, written=written_as(recipe.text)
    )
    say(f"comparing {len(texts)} queries with {len(clips)} captions")
    found = similarities(clips, _unit(tower, generated), texts, _unit(tower, texts))
    write_scores(folder.path, recipe, recipe.published, found, say)
    return folder.path / SCORES


def generated_for(clips: Sequence[Clip], written: Mapping[str, str], where: str) -> list[str]:
    """The generated caption of each clip. Raises `DataError` for clips without one."""
    lacking = [clip.id for clip in clips if not {clip.id, Path(clip.path).name} & set(written)]
    if lacking:
        raise DataError(
            f"{where} has no caption for {len(lacking)} of {len(clips)} clips, "
            f"such as {lacking[0]}",
            remedy="caption every clip of the test set",
        )
    return [written.get(clip.id) or written[Path(clip.path).name] for clip in clips]


def read_generated(path: Path) -> dict[str, str]:
    """Clip id or file name → generated caption; empty ones are left out. Raises `DataError` for
    another layout."""
    if not path.is_file():
        raise DataError(f"no captions at {path}", remedy="write them with `soundseek caption`")
    with path.open(newline="", encoding="utf-8-sig") as file:
        first = file.readline()
        file.seek(0)
        rows = csv.DictReader(file, delimiter="\t" if "\t" in first else ",")
        columns = rows.fieldnames or ()
        name = next((column for column in _NAMES if column in columns), None)
        text = next((column for column in _CAPTIONS if column in columns), None)
        if name is None or text is None:
            raise DataError(
                f"{path} has the columns {', '.join(columns)}",
                remedy=f"name them {' or '.join(_NAMES)} and {' or '.join(_CAPTIONS)}",
            )
        return {row[name]: row[text] for row in rows if (row[text] or "").strip()}


def _unit(tower: TextTower, texts: list[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    vectors = torch.cat([tower.pooled(texts[i : i + _BATCH]) for i in range(0, len(texts), _BATCH)])
    return torch.nn.functional.normalize(vectors, dim=-1).numpy()
