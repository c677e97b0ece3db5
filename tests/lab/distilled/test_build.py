from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from soundseek.audio.frontends import PRESETS, n_frames
from soundseek.lab.distilled.build import TextBatcher, build_tower, window_and_hop
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.distilled.tower import AudioTower
from soundseek.lab.text_encoders.tokenizer import train_tokenizer

pytestmark = pytest.mark.lab

TOKENIZER = train_tokenizer(["a dog barks far away", "a dog barks", "rain falls", "rain falls"], 80)


@pytest.fixture
def recipe(recipe_document: dict[str, Any]) -> Recipe:
    return Recipe.model_validate(recipe_document)


def built(recipe: Recipe, seed: int) -> AudioTower:
    anchors = torch.randn(5, 12, generator=torch.Generator().manual_seed(1))
    return build_tower(recipe.model_copy(update={"seed": seed}), anchors)


@torch.no_grad()
def test_a_sound_has_a_unit_vector_and_class_scores(recipe: Recipe) -> None:
    output = built(recipe, 1).eval()(torch.randn(2, 96, 64), torch.tensor([96, 40]))
    assert output.embedding.shape == (2, 12)
    assert output.logits.shape == (2, 1, 5)
    torch.testing.assert_close(output.embedding.norm(dim=-1), torch.ones(2))


def test_weights_depend_on_the_seed_alone(recipe: Recipe) -> None:
    torch.manual_seed(99)
    first = built(recipe, 1).state_dict()
    torch.rand(7)
    again, other = built(recipe, 1).state_dict(), built(recipe, 2).state_dict()
    assert all(first[name].equal(again[name]) for name in first)
    assert not first["head.classes.weight"].equal(other["head.classes.weight"])


def test_keys_of_the_state_are_what_checkpoints_hold(recipe: Recipe) -> None:
    keys = list(built(recipe, 1).state_dict())
    assert keys[0] == "log_scale"
    for key in ("encoder.body.0.0.weight", "head.anchors", "head.residual.3.bias"):
        assert key in keys
    assert {key.split(".")[0] for key in keys} == {"log_scale", "encoder", "head"}


def test_the_scale_is_learnt_up_to_a_hundred(recipe: Recipe) -> None:
    tower = built(recipe, 1)
    assert tower.scale.item() == pytest.approx(1 / 0.07)
    with torch.no_grad():
        tower.log_scale.fill_(20.0)
    assert tower.scale.item() == 100.0


@pytest.mark.parametrize("patches", [1, 3])
def test_a_window_is_whole_patches(recipe: Recipe, patches: int) -> None:
    spec = PRESETS["yamnet_16k"]
    audio = recipe.audio.model_copy(update={"window_patches": patches})
    window, hop = window_and_hop(recipe.model_copy(update={"audio": audio}), spec)
    assert n_frames(window, spec) == 96 * patches
    assert n_frames(window - 1, spec) == 96 * patches - 1
    assert hop == patches * 15_360


def test_texts_are_normalised_padded_and_cut() -> None:
    batcher = TextBatcher(TOKENIZER, 4)
    ids, mask = batcher(["Rain!", "A dog barks, far away", ""])
    assert ids.shape == mask.shape == (3, 4)
    assert mask.dtype == torch.bool
    assert mask.sum(1).tolist() == [2, 4, 1]
    assert (ids[~mask] == 0).all()
    assert (ids[:, 0] == 2).all()
    assert batcher(["rain"])[0].tolist() == ids[:1, :2].tolist()
