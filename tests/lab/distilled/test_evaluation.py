from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.distilled.evaluation import run_similarities
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.distilled.train import train
from soundseek.lab.words.trained import load_words

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fake_teachers")]


def test_captions_are_read_by_the_text_towers_run(
    recipe_document: dict[str, Any], words_run: Path, tmp_path: Path
) -> None:
    train(Recipe.model_validate(recipe_document), tmp_path, lambda _: None)
    found = run_similarities(tmp_path, lambda _: None, part="validation")
    assert found.scores.shape == (len(found.queries), 6)
    read = load_words(words_run).encode(list(found.queries))
    np.testing.assert_allclose(found.scores, read @ found.audio.T, rtol=0, atol=1e-5)
    with pytest.raises(DataError, match="has no test clips"):
        run_similarities(tmp_path, lambda _: None)
    with pytest.raises(DataError, match="scored on its own data folder"):
        run_similarities(tmp_path, lambda _: None, sources=[])
