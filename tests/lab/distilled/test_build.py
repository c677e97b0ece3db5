from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from soundseek.lab.distilled.biencoder import BiEncoder
from soundseek.lab.distilled.build import TextBatcher, build_biencoder
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.text_encoders.tokenizer import train_tokenizer

pytestmark = pytest.mark.lab

TOKENIZER = train_tokenizer(["a dog barks far away", "a dog barks", "rain falls", "rain falls"], 80)


@pytest.fixture
def recipe(recipe_document: dict[str, Any]) -> Recipe:
    return Recipe.model_validate(recipe_document)


def built(recipe: Recipe, seed: int) -> BiEncoder:
    anchors = torch.randn(5, 12, generator=torch.Generator().manual_seed(1))
    return build_biencoder(recipe.model_copy(update={"seed": seed}), anchors, TOKENIZER)


@torch.no_grad()
def test_sound_and_text_meet_in_one_space(recipe: Recipe) -> None:
    model = built(recipe, 1).eval()
    output = model.encode_audio(torch.randn(2, 96, 64), torch.tensor([96, 40]))
    text = model.encode_text(*TextBatcher(TOKENIZER, 16)(["rain", "a dog barks"]))
    assert output.embedding.shape == text.shape == (2, 12)
    assert output.logits.shape == (2, 1, 5)
    for vectors in (output.embedding, text):
        torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(2))


def test_weights_depend_on_the_seed_alone(recipe: Recipe) -> None:
    torch.manual_seed(99)
    first = built(recipe, 1).state_dict()
    torch.rand(7)
    again, other = built(recipe, 1).state_dict(), built(recipe, 2).state_dict()
    assert all(first[name].equal(again[name]) for name in first)
    assert not first["text_head.projection.weight"].equal(other["text_head.projection.weight"])


def test_keys_of_the_state_are_what_checkpoints_hold(recipe: Recipe) -> None:
    keys = list(built(recipe, 1).state_dict())
    assert keys[0] == "log_scale"
    for key in (
        "audio_encoder.body.0.0.weight",
        "audio_head.anchors",
        "audio_head.residual.3.bias",
        "text_encoder.tokens.weight",
        "text_encoder.blocks.0.qkv.weight",
        "text_head.projection.bias",
    ):
        assert key in keys
    prefixes = {key.split(".")[0] for key in keys}
    assert prefixes == {"log_scale", "audio_encoder", "audio_head", "text_encoder", "text_head"}


def test_the_scale_is_learnt_up_to_a_hundred(recipe: Recipe) -> None:
    model = built(recipe, 1)
    assert model.scale.item() == pytest.approx(1 / 0.07)
    with torch.no_grad():
        model.log_scale.fill_(20.0)
    assert model.scale.item() == 100.0


def test_texts_are_normalised_padded_and_cut() -> None:
    batcher = TextBatcher(TOKENIZER, 4)
    ids, mask = batcher(["Rain!", "A dog barks, far away", ""])
    assert ids.shape == mask.shape == (3, 4)
    assert mask.dtype == torch.bool
    assert mask.sum(1).tolist() == [2, 4, 1]
    assert (ids[~mask] == 0).all()
    assert (ids[:, 0] == 2).all()
    assert batcher(["rain"])[0].tolist() == ids[:1, :2].tolist()
