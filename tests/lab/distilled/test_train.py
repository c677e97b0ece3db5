from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError, RecipeError
from soundseek.lab import run_folder
from soundseek.lab.data.waveforms import WaveformStore
from soundseek.lab.distilled import prepare, train, trained
from soundseek.lab.distilled.build import build_tower
from soundseek.lab.distilled.recipe import Recipe
from soundseek.lab.distilled.validation import embed_store
from soundseek.lab.progress import Validation
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.teachers.yamnet import Yamnet

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
        real = train.Training.learn

        def interrupted(training: train.Training, plan: Any) -> dict[str, torch.Tensor]:
            if training.step == step:
                raise KeyboardInterrupt
            return real(training, plan)

        with monkeypatch.context() as patch:
            patch.setattr(train.Training, "learn", interrupted)
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
    assert [row["step"] for row in metrics] == ["2", "3", "4", "6"]
    for row in metrics:
        for name in recipe.objective.model_dump():
            assert math.isfinite(float(row[name]))
        assert float(row["loss"]) > 0
    assert float(metrics[-1]["learning_rate"]) < recipe.optimiser.learning_rate
    (scores,) = rows(finished / "validation.csv")
    assert scores["step"] == "6"
    assert 0 <= float(scores["mAP@10"]) <= 1
    assert checkpoint(finished)["step"] == 6
    assert checkpoint(finished)["schema_version"] == 1
    assert not list(finished.glob("*.partial"))


def test_training_changes_the_tower_and_the_average_follows(finished: Path, recipe: Recipe) -> None:
    state = checkpoint(finished)
    fresh = build_tower(recipe, state["anchors"]).state_dict()
    for name in ("encoder.body.0.0.weight", "head.classes.weight", "log_scale"):
        learnt, average = state["trained"][f"tower.{name}"], state["average"][name]
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


def test_a_resumed_run_keeps_the_teacher_it_began_with(
    finished: Path,
    recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    killed: Callable[[Recipe, Path, int], None],
) -> None:
    """A teacher that is fitted otherwise half-way would teach something else unnoticed."""
    killed(recipe, tmp_path / "killed", 5)
    real_fit, real_anchors = prepare.fit_teacher, prepare.normalised_anchors
    monkeypatch.setattr(
        prepare,
        "fit_teacher",
        lambda *given, seed: real_fit(*given, seed=seed + 1),
    )
    monkeypatch.setattr(prepare, "normalised_anchors", lambda *given: 0.5 * real_anchors(*given))
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

    monkeypatch.setattr(train.Training, "learn", no_step)
    assert train.train(recipe, finished, silent) == finished / run_folder.CHECKPOINT
    assert (finished / run_folder.CHECKPOINT).read_bytes() == before


def test_a_folder_holds_one_recipe(finished: Path, recipe_document: dict[str, Any]) -> None:
    other = Recipe.model_validate(recipe_document | {"seed": 4})
    with pytest.raises(RecipeError, match=r"run of another recipe \(test/tiny\)\n.*--out"):
        train.train(other, finished, silent)
    spoken = recipe_document["run"] | {"log_steps": 1}
    train.train(Recipe.model_validate(recipe_document | {"run": spoken}), finished, silent)


@pytest.mark.parametrize("log_steps", [1, 3, 50])
def test_a_loss_that_is_no_number_stops_the_run(
    recipe_document: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    log_steps: int,
) -> None:
    """It is looked at when it is logged or saved; the first bad step is named all the same."""
    run = recipe_document["run"] | {"log_steps": log_steps}
    recipe = Recipe.model_validate(recipe_document | {"run": run})
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
    recipe_document: dict[str, Any], tmp_path: Path
) -> None:
    weights = dict.fromkeys(recipe_document["objective"], 0.0) | {"teacher_scores": 1.0}
    steps = recipe_document["optimiser"] | {"weight_decay": 0.0}
    recipe = Recipe.model_validate(recipe_document | {"objective": weights, "optimiser": steps})
    train.train(recipe, tmp_path, silent)
    state = checkpoint(tmp_path)
    fresh, learnt = build_tower(recipe, state["anchors"]).state_dict(), state["trained"]
    # Scores come before the anchors, and nothing of the text enters them.
    for name in ("head.anchors", "head.residual.3.bias", "log_scale"):
        assert learnt[f"tower.{name}"].equal(fresh[name])
    assert not learnt["tower.head.classes.bias"].equal(fresh["head.classes.bias"])
    for row in rows(tmp_path / "metrics.csv"):
        assert float(row["loss"]) == pytest.approx(float(row["teacher_scores"]))


def test_terms_are_told_as_means_since_the_last_row(finished: Path, recipe: Recipe) -> None:
    weights = recipe.objective.model_dump()
    for row in rows(finished / "metrics.csv"):
        total = sum(weight * float(row[name]) for name, weight in weights.items())
        assert float(row["loss"]) == pytest.approx(total, rel=1e-4)


def test_sounds_without_captions_are_trained_on(
    recipe_document: dict[str, Any], unlabelled: Path, tmp_path: Path
) -> None:
    data = recipe_document["data"] | {"unlabelled": [str(unlabelled)]}
    recipe = Recipe.model_validate(recipe_document | {"data": data})
    drawn: set[int] = set()
    lessons = prepare.prepare(recipe, RunFolder.claim(tmp_path, recipe).cache, silent)
    training = train.Training(recipe, lessons, RunFolder(tmp_path), silent)
    for step in range(1, 40):
        plan = training.planner.draw(step, 6)
        drawn |= set(plan.parts.clip.tolist())
        captioned = np.isin(plan.parts.window, plan.captioned)
        assert (plan.parts.clip[captioned] < 6).all()
    assert drawn == set(range(9))
    assert training.device.type == "cpu", "as the recipe says, whatever is there"
    assert training.run(None).is_file()


def test_runs_may_share_what_they_derive(
    finished: Path,
    recipe_document: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = recipe_document["run"] | {"cache": str(tmp_path / "shared")}
    recipe = Recipe.model_validate(recipe_document | {"run": run})
    train.train(recipe, tmp_path / "one", silent)
    kept = sorted(path.name for path in (tmp_path / "shared").iterdir())
    assert not (tmp_path / "one" / "cache").exists()
    monkeypatch.setattr(prepare, "MiniLm", None)
    train.train(recipe, tmp_path / "two", silent)
    assert sorted(path.name for path in (tmp_path / "shared").iterdir()) == kept
    for name in ("one", "two"):
        assert_same(checkpoint(tmp_path / name)["trained"], checkpoint(finished)["trained"])


def test_who_watches_is_told_of_every_validation(
    recipe_document: dict[str, Any], tmp_path: Path
) -> None:
    run = recipe_document["run"] | {"evaluate_steps": 4}
    seen: list[Validation] = []
    recipe = Recipe.model_validate(recipe_document | {"run": run})
    train.train(recipe, tmp_path, silent, watch=seen.append)
    assert [one.step for one in seen] == [4, 6]
    told = rows(tmp_path / "validation.csv")
    assert [float(row["mAP@10"]) for row in told] == [one.figures["mAP@10"] for one in seen]


def test_a_device_that_is_not_there_is_refused_before_anything_is_prepared(
    recipe_document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recipe_document["run"] | {"device": "cuda:99"}
    monkeypatch.setattr(train, "prepare", None)
    recipe = Recipe.model_validate(recipe_document | {"run": run})
    with pytest.raises(RecipeError, match="of that kind are here"):
        train.train(recipe, tmp_path, silent)


def test_packed_lessons_teach_the_same(
    recipe_document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Facts are rounded, and sounds coded. (Vectors of other captions would change a third of
    nt_xent.)"""
    pytest.importorskip("av")
    from soundseek.lab.distilled.packed import read_facts, read_sounds, write_facts, write_sounds

    monkeypatch.setattr(prepare, "load_yamnet", lambda path: small_yamnet(classes=6))
    recipe = Recipe.model_validate(recipe_document)
    cache = RunFolder.claim(tmp_path / "direct", recipe).cache
    direct = prepare.prepare(recipe, cache, silent)
    write_facts(direct, tmp_path / "pack")
    write_sounds(direct.samples, tmp_path / "pack", bit_rate=48_000)
    coded = read_sounds(tmp_path / "pack", len(direct.samples))
    runs = {
        "direct": direct,
        "rounded": replace(read_facts(tmp_path / "pack"), samples=direct.samples),
        "packed": replace(read_facts(tmp_path / "pack"), samples=coded),
    }
    tables, vectors = {}, {}
    store = WaveformStore(direct.samples, direct.offsets, 16_000, {})
    for name, lessons in runs.items():
        folder = tmp_path / name
        train.train_on(lessons, recipe, RunFolder.claim(folder, recipe), silent)
        tables[name] = rows(folder / "metrics.csv")
        vectors[name] = embed_store(trained.load_trained(folder)[1], store, 15_600)
    for name, most in (("rounded", 0.03), ("packed", 0.12)):
        for term in ("loss", *recipe.objective.model_dump()):
            expected = [float(row[term]) for row in tables["direct"]]
            found = [float(row[term]) for row in tables[name]]
            assert found == pytest.approx(expected, rel=most), (name, term)
        assert (vectors[name] * vectors["direct"]).sum(1).min() > 0.999
    assert (tmp_path / "direct" / "validation.csv").exists()
    assert not (tmp_path / "packed" / "validation.csv").exists(), "such clips stay behind"


def small_yamnet(classes: int) -> Yamnet:
    """YAMNet's layers, few channels wide, with random weights."""
    rng = np.random.default_rng(4)
    tensors: dict[str, Any] = {}

    def add(name: str, *shape: int) -> None:
        scale = np.sqrt(2.0 / np.prod(shape[1:]))
        tensors[f"{name}_w"] = (scale * rng.standard_normal(shape)).astype(np.float32)
        tensors[f"{name}_b"] = (0.1 * rng.standard_normal(shape[0])).astype(np.float32)

    add("1_conv", 4, 1, 3, 3)
    for layer in range(2, 15):
        add(f"{layer}_depthwise", 4, 1, 3, 3)
        add(f"{layer}_pointwise", 1024 if layer == 14 else 4, 4, 1, 1)
    add("dense", classes, 1024)
    return Yamnet(tensors).eval()


def test_a_trained_model_can_be_loaded(finished: Path, recipe: Recipe) -> None:
    loaded, tower, saved = trained.load_trained(finished)
    assert loaded == recipe
    assert not tower.training
    assert saved["step"] == 6
    assert_same(dict(tower.state_dict()), dict(checkpoint(finished)["average"]))


def test_the_residual_counts_in_use_as_much_as_the_recipe_says(
    recipe_document: dict[str, Any], tmp_path: Path
) -> None:
    audio = recipe_document["audio"] | {"residual_in_use": 0.25}
    train.train(Recipe.model_validate(recipe_document | {"audio": audio}), tmp_path, silent)
    _, tower, saved = trained.load_trained(tmp_path)
    used, learnt = tower.state_dict(), saved["average"]
    for name in ("head.residual.3.weight", "head.residual.3.bias"):
        assert learnt[name].any()
        torch.testing.assert_close(used.pop(name), 0.25 * learnt[name])
    assert all(value.equal(learnt[name]) for name, value in used.items())


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no run in .*\n.*soundseek train"):
        trained.load_trained(tmp_path)


def test_a_run_of_the_first_edition_is_refused(
    finished: Path, recipe_document: dict[str, Any], tmp_path: Path
) -> None:
    shutil.copy(finished / run_folder.CHECKPOINT, tmp_path)
    document = recipe_document | {"text": {"width": 16}}
    (tmp_path / "recipe.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(RecipeError, match="text: unknown key"):
        trained.load_trained(tmp_path)


def test_a_run_that_another_machine_sent_back_is_not_trained_further(
    finished: Path, recipe: Recipe, tmp_path: Path
) -> None:
    state = checkpoint(finished)
    folder = run_folder.RunFolder.claim(tmp_path, recipe)
    folder.save(
        {name: state[name] for name in ("step", "seconds", "average", "anchors", "teacher")}
    )
    with pytest.raises(DataError, match=r"sent back.*not be trained further\n.*--out"):
        train.train(recipe, tmp_path, silent)
