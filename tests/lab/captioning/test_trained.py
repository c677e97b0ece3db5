from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from soundseek.errors import DataError
from soundseek.lab.captioning.build import build_model
from soundseek.lab.captioning.trained import keep, load_trained
from soundseek.lab.run_folder import RunFolder
from support.captioners import CAPTIONS

pytestmark = pytest.mark.lab

NAMES = ["soundseek/captions", "cmu2022/captioning_crnn", "cmu2022/captioning_events"]


def kept(small: Callable[..., Any], name: str, folder: Path) -> Any:
    """A model with random weights, in a run's folder."""
    recipe = small(name)
    model = build_model(recipe, CAPTIONS)
    RunFolder.claim(folder, recipe)
    keep(folder / "best.pt", model, {"loss": 1.5})
    return model


@pytest.mark.parametrize("name", NAMES)
def test_what_was_kept_is_read_again(small: Callable[..., Any], tmp_path: Path, name: str) -> None:
    model = kept(small, name, tmp_path)
    trained = load_trained(tmp_path)
    assert trained.recipe.model_dump(mode="json") == small(name).model_dump(mode="json")
    assert not trained.model.training
    ours, theirs = model.state_dict(), trained.model.state_dict()
    assert list(ours) == list(theirs)
    assert all(ours[key].equal(theirs[key]) for key in ours)
    assert trained.model.captioner.tokens.resources() == model.captioner.tokens.resources()
    sound, samples = torch.randn(1, 64_000), torch.tensor([64_000])
    for one, other in zip(
        model.eval().hear(sound, samples), trained.model.hear(sound, samples), strict=True
    ):
        assert one.equal(other)
    assert not list(tmp_path.glob("*.partial"))


def test_what_is_no_model_of_a_captioner_is_refused(
    small: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="no run in"):
        load_trained(tmp_path / "absent")
    (tmp_path / "recipe.json").write_text(json.dumps({"system": "retrieval"}), encoding="utf-8")
    with pytest.raises(DataError, match=r"a run of a retrieval system\n.*captioning recipe"):
        load_trained(tmp_path)
    RunFolder.claim(tmp_path / "begun", small(NAMES[0]))
    with pytest.raises(DataError, match=r"best\.pt is missing\n.*train first"):
        load_trained(tmp_path / "begun")


def test_a_model_of_a_later_version_is_refused(small: Callable[..., Any], tmp_path: Path) -> None:
    kept(small, NAMES[0], tmp_path)
    saved = torch.load(tmp_path / "best.pt", weights_only=True)
    torch.save(saved | {"schema_version": 9}, tmp_path / "best.pt")
    with pytest.raises(DataError, match=r"schema version 9.*\n.*upgrade soundseek"):
        load_trained(tmp_path)
