from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.captioning.build import build_model
from soundseek.lab.captioning.texts import captions_without_sounds, text_items, with_texts
from support.captioners import CAPTIONS
from support.retrieval import silent

pytestmark = pytest.mark.lab

NAME = "soundseek/captions"
Texts = Callable[..., Any]


@pytest.fixture
def texts(small: Callable[..., Any], tmp_path: Path) -> Texts:
    """Return texts(*rows, **settings) → the recipe with rows of two captions each in a file."""

    def made(*rows: str, seed: int = 1, **settings: Any) -> Any:
        lines = ["caption_1,caption_2", *rows]
        (tmp_path / "some.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        own = {"files": ["some.csv"], "joined": 3, "most": None, **settings}
        return small(NAME, seed=seed, data={"folder": str(tmp_path)}, texts=own)

    return made


def test_each_caption_with_words_comes_once(texts: Texts) -> None:
    recipe = texts("a dog barks,rain falls", "rain falls,...", "wind,")
    assert captions_without_sounds(recipe) == ["a dog barks", "rain falls", "wind"]


def test_items_are_captions_and_joined_pairs(texts: Texts) -> None:
    items = text_items(texts("a dog barks,rain falls", "wind,a door slams"))
    assert items.counts == [1] * 4 + [2] * 3
    captions = [clip.captions for clip in items.clips]
    assert [one for (one,) in captions[:4]] == ["a dog barks", "a door slams", "rain falls", "wind"]
    for (caption,), (first, second) in zip(captions[4:], items.pairs, strict=True):
        assert caption.startswith(items.texts[first])
        assert caption.endswith(items.texts[second])
    assert len({clip.id for clip in items.clips}) == 7


def test_as_many_as_the_recipe_wants_are_drawn_by_its_seed(texts: Texts) -> None:
    rows = [f"sound {i},noise {i}" for i in range(20)]
    drawn = [text_items(texts(*rows, most=5, seed=seed)) for seed in (1, 1, 2)]
    assert [len(items.texts) for items in drawn] == [5, 5, 5]
    assert drawn[0].texts == drawn[1].texts != drawn[2].texts
    assert np.array_equal(drawn[0].pairs, drawn[1].pairs)


def test_in_the_place_of_a_sound_stands_the_vector_of_the_caption(
    texts: Texts, heard_part: Callable[..., Any]
) -> None:
    recipe = texts("a dog barks,rain falls")
    model: Any = build_model(recipe, CAPTIONS)
    bundle = model.audio.encoder.bundle
    part = heard_part([2, 5], width=bundle.dimension)
    whole = with_texts(part, recipe, model, silent)
    assert whole.texts == 5
    assert len(whole.clips) == 7
    steps, mask = whole.steps(range(7))
    assert mask.sum(1).tolist() == [2, 5, 1, 1, 2, 2, 2]
    vectors = bundle.encode_text(["a dog barks", "rain falls"])
    np.testing.assert_allclose(steps[2:4, 0], vectors, atol=1e-3)
    for row, pair in enumerate(text_items(recipe).pairs, start=4):
        np.testing.assert_allclose(steps[row, :2], vectors[pair], atol=1e-3)
    before, _ = part.steps([0, 1])
    assert (steps[:2, :5] == before).all()


def test_a_recipe_without_texts_has_none(
    small: Callable[..., Any], heard_part: Callable[..., Any]
) -> None:
    recipe = small("cmu2022/captioning_baseline")
    part = heard_part([2, 5])
    assert captions_without_sounds(recipe) == []
    assert text_items(recipe).clips == []
    assert with_texts(part, recipe, build_model(recipe, CAPTIONS), silent) is part


def test_files_that_do_not_serve_are_refused(texts: Texts) -> None:
    with pytest.raises(DataError, match=r"no captions at .*absent\.csv"):
        text_items(texts("a,b", files=["absent.csv"]))
    with pytest.raises(DataError, match=r"no caption with a word in some\.csv\n.*texts: null"):
        text_items(texts("...,!"))
