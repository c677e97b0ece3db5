from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from soundseek.errors import DataError
from soundseek.lab.progress import Validation
from soundseek.lab.recipe_files import merged
from soundseek.lab.runs import order as module
from soundseek.lab.runs.course import Point
from soundseek.lab.runs.order import Order, carry_out, is_scored, shared
from soundseek.lab.systems import recipe_of
from support.retrieval import Document, silent

pytestmark = pytest.mark.lab


class Training:
    """Stands for a training that validates once a step."""

    def __init__(self, values: list[float], stages: tuple[str, ...] = ("train",)) -> None:
        self.values, self.stages = values, stages
        self.steps = 0

    def __call__(self, recipe: Any, folder: Path, say: Any, *, watch: Any) -> None:
        each = len(self.values) // len(self.stages)
        for step, value in enumerate(self.values, start=1):
            self.steps += 1
            watch(Validation(self.stages[(step - 1) // each], step, step, {"mAP@10": value}))


def order(document: Document, folder: Path, **settings: Any) -> Order:
    return Order(document, folder, **settings)


def test_a_run_is_worth_its_best(
    document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train", Training([0.1, 0.4, 0.2]))
    told: list[object] = []
    carried = carry_out(order(document, tmp_path), told.append)
    assert (carried.value, carried.ended) == (0.4, "full")
    assert told == list(carried.points)
    assert told[1] == Point("train", 2, 2.0, 0.4)


def test_a_run_that_gains_nothing_is_ended(
    document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training([0.1, 0.4, 0.2, 0.4, 0.9])
    monkeypatch.setattr(module, "train", training)
    carried = carry_out(order(document, tmp_path, patience=2), silent)
    assert (carried.value, carried.ended, training.steps) == (0.4, "stale", 4)
    # When it is asked for again, nothing is trained.
    again = carry_out(order(document, tmp_path, patience=2), silent)
    assert (again.value, again.ended, training.steps) == (0.4, "stale", 4)
    assert again.points == carried.points


def test_patience_waits_for_the_last_stage(
    document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = merged(document, {"stages": [{"stage": "a"}, {"stage": "b"}]})
    training = Training([0.9, 0.1, 0.1, 0.1, 0.2, 0.1, 0.1, 0.1], ("a", "b"))
    monkeypatch.setattr(module, "train", training)
    carried = carry_out(order(staged, tmp_path, patience=2), silent)
    assert (carried.value, carried.ended, training.steps) == (0.2, "stale", 7)


def test_a_run_that_is_scored_is_not_touched(
    document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training([0.1])
    monkeypatch.setattr(module, "train", training)
    (tmp_path / "similarities" / "test").mkdir(parents=True)
    carried = carry_out(order(document, tmp_path, scored=True), silent)
    assert (carried.value, training.steps, is_scored(tmp_path)) == (None, 0, True)


def test_a_run_without_validation_has_no_value(
    document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train", Training([]))
    with pytest.raises(DataError, match="validated nothing"):
        carry_out(order(document, tmp_path), silent)


def test_a_real_run_is_made_ended_and_scored(document: Document, tmp_path: Path) -> None:
    told: list[object] = []
    carried = carry_out(order(document, tmp_path / "run", scored=True, threads=1), told.append)
    points = [one for one in told if isinstance(one, Point)]
    assert carried.value == max(point.value for point in points)
    assert [point.epoch for point in points] == [1.0, 2.0]
    assert is_scored(tmp_path / "run")
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["name"] == "test/tiny"


def test_runs_share_a_cache_and_the_cores(document: Document, tmp_path: Path) -> None:
    own = recipe_of(document, "test")
    assert shared(own, tmp_path, 3)["run"]["cache"] == document["run"]["cache"]
    assert shared(own, tmp_path, 3)["run"]["threads"] == 1
    without = {"run": {"cache": None, "threads": None}}
    recipe = recipe_of(merged(document, without), "test")
    assert shared(recipe, tmp_path, 3)["run"]["cache"] == str(tmp_path)
    assert shared(recipe, tmp_path, 3)["run"]["threads"] == 3
    assert shared(recipe, tmp_path, None)["run"]["threads"] is None
