"""What training needs before its first step: texts, the teacher's vectors, and a tokenizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from soundseek.lab.run_folder import RunFolder
from soundseek.lab.text_encoders.tokenizer import train_tokenizer
from soundseek.lab.words.corpus import read_corpus
from soundseek.lab.words.figures import Examination, compared
from soundseek.lab.words.lessons import taught_vectors
from soundseek.lab.words.recipe import WordsRecipe


@dataclass(frozen=True)
class Prepared:
    """`taught` float16 `[texts, dimension]` are the teacher's vectors; `read` gives those of other
    texts."""

    texts: list[str]
    taught: NDArray[np.float16]
    examinations: dict[str, Examination]
    tokenizer_json: str
    read: Callable[[list[str]], NDArray[np.float16]]


def prepare(
    recipe: WordsRecipe,
    folder: RunFolder,
    saved: dict[str, Any] | None,
    say: Callable[[str], None],
    device: torch.device,
) -> Prepared:
    """Read the texts, let the teacher read them, and learn the tokenizer unless `saved` has it.

    Raises `DataError` for missing data.
    """
    corpus = read_corpus(recipe)
    cache = folder.cache_for(recipe.run.cache)

    def read(texts: list[str]) -> NDArray[np.float16]:
        return taught_vectors(texts, cache, say, device)

    examinations = {
        name: Examination(one, read(one.captions).astype(np.float32))
        for name, one in corpus.held_out.items()
    }
    taught = read(corpus.texts)
    say(f"{len(corpus.texts):,} texts to learn from")
    for name, one in examinations.items():
        figures = compared(one.taught, one)
        if "mAP@10" in figures:
            say(f"the teacher itself has {name} mAP@10 {figures['mAP@10']:.4f}")
    # Another version of the library might learn a slightly different tokenizer.
    tokenizer_json = (
        train_tokenizer(corpus.texts, recipe.network.vocabulary)
        if saved is None
        else saved["tokenizer_json"]
    )
    return Prepared(corpus.texts, taught, examinations, tokenizer_json, read)
