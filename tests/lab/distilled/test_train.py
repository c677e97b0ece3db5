from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError, RecipeError
from soundseek.lab import run_folder
from soundseek.lab.distilled import prepare, train, trained
from soundseek.lab.distilled.recipe import Recipe

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("fake_teachers")]


def silent(_: str) -> None:
    """Say nothing."""


@pytest.fixture
def recipe(recipe_document: dict[str, Any]) -> Recipe:
    return Recipe.model_validate(recipe_document)


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Recipe, Path, int], None]:
    """Return killed(recipe, folder, step): train, and be interrupted before that step is done."""

    def run(recipe: Recipe, folder: Path, step: int) -> None:
        real = train._Loop._learn

        def interrupted(loop: Any, items: Any) -> dict[str, float]:
            if loop.step == step:
                raise KeyboardInterrupt
            return real(loop, items)

        with monkeypatch.context() as patch:
            patch.setattr(train._Loop, "_learn", interrupted)
            with pytest.raises(KeyboardInterrupt):
                train.train(recipe, folder, silent)

    return run


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def checkpoint(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / run_folder.CHECKPOINT, weights_only=True)
    return state


def assert_same(first: Any, second: Any) -> None:
    """Exact equality, tensor by tensor."""
    assert type(first) is type(second)
    if isinstance(first, dict):
        assert list(first) == list(second)
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, list):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
    elif isinstance(first, torch.Tensor):
        assert first.equal(second)
    else:
        assert first == second


@pytest.fixture(scope="session")
def finished_runs() -> dict[str, Path]:
    """One uninterrupted run serves several tests."""
    return {}


@pytest.fixture
def finished(
    recipe: Recipe, finished_runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    if "run" not in finished_runs:
        folder = tmp_path_factory.mktemp("finished")
        train.train(recipe, folder, silent)
        finished_runs["run"] = folder
    return finished_runs["run"]


def test_a_run_leaves_what_it_promises(finished: Path, recipe: Recipe) -> None:
    metrics = rows(finished / "metrics.csv")
    assert [row["step"] for row in metrics] == ["2", "4", "6"]
    for row in metrics:
        weights = recipe.objective.model_dump()
        for name in weights:
            assert float(row[name]) == float(row[name])  # a number
        assert float(row["loss"]) > 0
    assert float(metrics[-1]["learning_rate"]) < recipe.optimiser.learning_rate
    (scores,) = rows(finished / "validation.csv")
    assert scores["step"] == "6"
    assert 0 <= float(scores["mAP@10"]) <= 1
    assert checkpoint(finished)["step"] == 6
    assert checkpoint(finished)["schema_version"] == 1
    assert not list(finished.glob("*.partial"))


def test_training_changes_both_encoders_and_the_average_follows(
    finished: Path, recipe: Recipe
) -> None:
    state = checkpoint(finished)
    fresh = train.build_biencoder(recipe, state["anchors"], state["tokenizer_json"]).state_dict()
    for name in ("audio_encoder.body.0.0.weight", "text_encoder.tokens.weight", "log_scale"):
        learnt, average = state["trained"][f"model.{name}"], state["average"][name]
        assert not learnt.equal(fresh[name])
        assert not average.equal(fresh[name])
        assert not average.equal(learnt)


@pytest.mark.parametrize("step", [4, 6])
def test_a_killed_run_resumes_to_the_same_result(
    finished: Path,
    recipe: Recipe,
    tmp_path: Path,
    step: int,
    killed: Callable[[Recipe, Path, int], None],
) -> None:
    folder = tmp_path / "killed"
    killed(recipe, folder, step)
    assert checkpoint(folder)["step"] == 3
    said: list[str] = []
    train.train(recipe, folder, said.append)
    assert "resumed at step 3" in said
    resumed, whole = checkpoint(folder), checkpoint(finished)
    assert resumed.pop("seconds") > 0
    assert whole.pop("seconds") > 0
    assert_same(resumed, whole)


def test_a_run_killed_before_its_first_checkpoint_starts_anew(
    finished: Path, recipe: Recipe, tmp_path: Path, killed: Callable[[Recipe, Path, int], None]
) -> None:
    killed(recipe, tmp_path / "killed", 2)
    assert not (tmp_path / "killed" / run_folder.CHECKPOINT).exists()
    train.train(recipe, tmp_path / "killed", silent)
    assert_same(checkpoint(tmp_path / "killed")["trained"], checkpoint(finished)["trained"])


def test_a_resumed_run_keeps_the_tokenizer_it_began_with(
    finished: Path,
    recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    killed: Callable[[Recipe, Path, int], None],
) -> None:
    """Token ids that change their meaning half-way would spoil the text encoder unnoticed."""
    killed(recipe, tmp_path / "killed", 5)
    real = prepare.train_tokenizer
    monkeypatch.setattr(
        prepare, "train_tokenizer", lambda texts, size: real([*texts, "zebra crossing"] * 3, size)
    )
    train.train(recipe, tmp_path / "killed", silent)
    assert_same(checkpoint(tmp_path / "killed")["trained"], checkpoint(finished)["trained"])


def test_a_run_killed_while_saving_keeps_the_checkpoint_before(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, saves = torch.save, 0

    def save(state: Any, path: Path) -> None:
        nonlocal saves
        saves += 1
        if saves == 2:
            path.write_bytes(b"half of it")
            raise KeyboardInterrupt
        real(state, path)

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(KeyboardInterrupt):
        train.train(recipe, tmp_path, silent)
    assert checkpoint(tmp_path)["step"] == 3
    train.train(recipe, tmp_path, silent)
    assert checkpoint(tmp_path)["step"] == 6


def test_a_finished_run_has_nothing_left_to_do(
    finished: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (finished / run_folder.CHECKPOINT).read_bytes()

    def no_step(*_: Any) -> None:
        raise AssertionError("a step too many")

    monkeypatch.setattr(train._Loop, "_learn", no_step)
    assert train.train(recipe, finished, silent) == finished / run_folder.CHECKPOINT
    assert (finished / run_folder.CHECKPOINT).read_bytes() == before


def test_a_folder_holds_one_recipe(finished: Path, recipe_document: dict[str, Any]) -> None:
    other = Recipe.model_validate(recipe_document | {"seed": 4})
    with pytest.raises(RecipeError, match=r"run of another recipe \(test/tiny\)\n.*--out"):
        train.train(other, finished, silent)
    spoken = recipe_document["run"] | {"log_steps": 1}
    train.train(Recipe.model_validate(recipe_document | {"run": spoken}), finished, silent)


def test_a_loss_that_is_no_number_stops_the_run(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = train.audio_terms, 0

    def broken(*arguments: Any) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        terms = real(*arguments)
        return terms if calls < 5 else terms | {"teacher_scores": torch.tensor(torch.nan)}

    monkeypatch.setattr(train, "audio_terms", broken)
    with pytest.raises(DataError, match=r"the loss is nan at step 5\n.*learning_rate"):
        train.train(recipe, tmp_path, silent)
    kept = checkpoint(tmp_path)
    assert kept["step"] == 3
    assert all(value.isfinite().all() for value in kept["trained"].values())


def test_a_term_of_no_weight_does_not_teach(
    recipe_document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = dict.fromkeys(recipe_document["objective"], 0.0) | {"text_embedding": 1.0}
    steps = recipe_document["optimiser"] | {"weight_decay": 0.0}
    recipe = Recipe.model_validate(recipe_document | {"objective": weights, "optimiser": steps})
    train.train(recipe, tmp_path, silent)
    state = checkpoint(tmp_path)
    fresh = train.build_biencoder(recipe, state["anchors"], state["tokenizer_json"]).state_dict()
    learnt = state["trained"]
    assert learnt["model.audio_head.anchors"].equal(fresh["audio_head.anchors"])
    assert not learnt["model.text_head.projection.bias"].equal(fresh["text_head.projection.bias"])


@torch.no_grad()
def test_a_trained_model_can_be_loaded(finished: Path, recipe: Recipe) -> None:
    loaded, model, saved = trained.load_trained(finished)
    assert loaded == recipe
    assert not model.training
    state = checkpoint(finished)
    assert saved["tokenizer_json"] == state["tokenizer_json"]
    assert_same(dict(model.state_dict()), dict(state["average"]))


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no run in .*\n.*soundseek train"):
        trained.load_trained(tmp_path)
