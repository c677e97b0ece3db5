from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError
from soundseek.lab.retrieval import train
from soundseek.lab.retrieval.build import build_model, rebuild_model, resources_of
from soundseek.lab.retrieval.trained import keep, load_trained
from soundseek.lab.run_folder import RunFolder
from support.retrieval import Document, silent

pytestmark = pytest.mark.lab

RecipeOf = Callable[..., Any]


def test_a_trained_model_is_read_again(
    document: Document, recipe_of: RecipeOf, tmp_path: Path
) -> None:
    recipe = recipe_of(document, optimiser={"max_steps": 2})
    train.train(recipe, tmp_path, silent)
    torch.manual_seed(99)
    trained = load_trained(tmp_path)
    assert trained.recipe.model_dump(mode="json") == recipe.model_dump(mode="json")
    assert not trained.model.training
    saved = torch.load(tmp_path / "best.pt", weights_only=True)
    for key, value in trained.model.state_dict().items():
        assert value.equal(saved["model"][key])
    assert set(saved) == {"schema_version", "model", "resources", "objective", "figures"}


@pytest.mark.parametrize("text", ["small_transformer", "bert", "word_vectors"])
def test_a_model_is_made_again_from_its_resources(
    document: Document, recipe_of: RecipeOf, tmp_path: Path, text: str
) -> None:
    options = {
        "small_transformer": {"width": 16, "layers": 1, "heads": 2, "vocabulary": 100},
        "bert": {"width": 16, "layers": 1, "heads": 2, "intermediate": 32, "vocabulary": 100},
        "word_vectors": {"dimension": 6},
    }
    document["text"] |= {"encoder": text, "options": options[text]}
    recipe = recipe_of(document)
    model = build_model(recipe, ["rain on a roof", "wind"]).eval()
    again = rebuild_model(recipe, json.loads(json.dumps(resources_of(model)))).eval()
    again.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert model.embed_text(["wind on a roof"]).equal(again.embed_text(["wind on a roof"]))
    keep(tmp_path / "kept.pt", model, {}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["kept.pt"]


def test_random_weights_depend_on_the_seed_alone(document: Document, recipe_of: RecipeOf) -> None:
    states = []
    for noise, seed in ((1, 3), (2, 3), (1, 4)):
        torch.manual_seed(noise)
        states.append(build_model(recipe_of(document, seed=seed), ["rain"]).state_dict())
    assert all(value.equal(states[1][key]) for key, value in states[0].items())
    assert any(not value.equal(states[2][key]) for key, value in states[0].items())


def test_runs_that_cannot_be_read(document: Document, recipe_of: RecipeOf, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no run in .*\n.*soundseek train"):
        load_trained(tmp_path / "none")
    folder = RunFolder.claim(tmp_path / "run", recipe_of(document))
    with pytest.raises(DataError, match=r"best.pt is missing\n.*go on with the run"):
        load_trained(folder.path)
    torch.save({"schema_version": 99}, folder.path / "best.pt")
    with pytest.raises(DataError, match=r"schema version 99.*\n.*upgrade"):
        load_trained(folder.path)
    other = json.loads((folder.path / "recipe.json").read_text()) | {"system": "ensemble"}
    (folder.path / "recipe.json").write_text(json.dumps(other), encoding="utf-8")
    with pytest.raises(DataError, match="a run of a ensemble system"):
        load_trained(folder.path)
