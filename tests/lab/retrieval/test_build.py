from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError, RecipeError
from soundseek.lab.retrieval.build import build_model, build_objective, window_samples
from soundseek.lab.retrieval.waveforms import padded
from support.retrieval import Document, noise

pytestmark = pytest.mark.lab

RecipeOf = Callable[..., Any]
TEXTS = ["rain on a roof", "wind in the trees"]


def test_a_model_meets_in_the_recipes_space(document: Document, recipe_of: RecipeOf) -> None:
    recipe = recipe_of(document, audio={"projection": [6, 5], "window_s": 0.5})
    model = build_model(recipe, TEXTS).eval()
    heard = model.embed_audio(*padded([noise(1.0, 16000), noise(0.3, 16000)]))
    read = model.embed_text(TEXTS)
    assert heard.embedding.shape == read.shape == (2, 8)
    for vectors in (heard.embedding, read):
        assert vectors.norm(dim=1).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
    assert model.audio.window_samples == 8000
    assert window_samples(recipe_of(document).audio, model.audio.audio_encoder) is None


def test_encoders_may_be_compared_as_they_are(document: Document, recipe_of: RecipeOf) -> None:
    plain: Document = {"projection": None}
    text = plain | {"options": {"width": 8}}
    recipe = recipe_of(document, audio=plain, text=text, space={"dimension": None})
    model = build_model(recipe, TEXTS)
    assert not list(model.audio.projection.parameters())
    other = recipe_of(document, audio=plain, text=plain, space={"dimension": None})
    with pytest.raises(RecipeError, match=r"width 8 and text of width 16\b.*\n.*space.dimension"):
        build_model(other, TEXTS)


def test_pretrained_weights_need_a_checkpoint(document: Document, recipe_of: RecipeOf) -> None:
    """Nothing falls back on random weights by itself."""
    recipe = recipe_of(document, audio={"weights": "pretrained"})
    with pytest.raises(RecipeError, match=r"panns_cnn10 is to be pretrained.*\n.*weights=random"):
        build_model(recipe, TEXTS)
    recipe = recipe_of(document, audio={"weights": "pretrained", "checkpoint": "/nowhere/x.pt"})
    with pytest.raises(DataError, match=r"no checkpoint at /nowhere/x\.pt"):
        build_model(recipe, TEXTS)


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        ({"audio": {"encoder": "panns_cnn11"}}, "no audio encoder is called 'panns_cnn11'"),
        ({"audio": {"options": {"chanels": 1}}}, "no option of panns_cnn10 is called 'chanels'"),
        ({"text": {"encoder": "birt"}}, "no text encoder is called 'birt'"),
        ({"audio": {"window_s": 0.1}}, "windows of 1600 samples are too short"),
    ],
)
def test_what_cannot_be_built(
    document: Document, recipe_of: RecipeOf, difference: Document, said: str
) -> None:
    with pytest.raises(RecipeError, match=said):
        build_model(recipe_of(document, **difference), TEXTS)


def test_terms_that_listen_need_a_text_encoder_that_can(
    document: Document, recipe_of: RecipeOf
) -> None:
    sizes = {"width": 16, "layers": 1, "heads": 2, "intermediate": 32, "vocabulary": 100}
    document["text"] |= {"encoder": "bert", "options": sizes}
    stages = [{"objective": [{"term": "nt_xent"}]}, {"objective": [{"term": "matching"}]}]
    recipe = recipe_of(document, stages=stages)
    model = build_model(recipe, TEXTS)
    encoder: Any = model.text.encoder
    assert encoder.cross_attention
    assert encoder.audio_width == 8
    # The objective does not own the encoder that it asks.
    last = list(recipe.plain_stages())[-1][1]
    objective = build_objective(last, model)
    assert not [key for key in objective.state_dict() if "encoder" in key]
    document["text"] |= {"encoder": "word_vectors", "options": {"dimension": 4}}
    with pytest.raises(RecipeError):
        build_model(recipe_of(document, stages=stages), TEXTS)
