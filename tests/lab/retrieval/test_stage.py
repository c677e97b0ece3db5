"""What of a stage the runs of test_train do not show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from soundseek.lab.retrieval import learner as learning
from soundseek.lab.retrieval import train, validation
from soundseek.metrics.retrieval import Metric
from support.retrieval import Document, rows, silent

pytestmark = pytest.mark.lab

RecipeOf = Callable[..., Any]


def test_a_budget_ends_a_stage_and_shortens_its_schedule(
    document: Document, recipe_of: RecipeOf, tmp_path: Path
) -> None:
    schedule = {"kind": "cosine", "last_rate": 0.0003}
    recipe = recipe_of(document, optimiser={"epochs": 50, "max_steps": 8, "schedule": schedule})
    train.train(recipe, tmp_path, silent)
    rates = [float(row["learning_rate"]) for row in rows(tmp_path / "metrics.csv")]
    assert len(rates) == 8
    # A half of the way down after a half of the steps.
    assert rates[0] == pytest.approx(0.003)
    assert rates[4] == pytest.approx((0.003 + 0.0003) / 2)
    assert rates[7] < 0.0005
    # Validated at the end of the epoch of five steps, and at the end.
    assert [row["step"] for row in rows(tmp_path / "validation.csv")] == ["5", "8"]


def test_the_last_model_is_kept_where_it_is_asked_for(
    document: Document, recipe_of: RecipeOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the best otherwise, the first of equals."""
    figures = iter([0.5, 0.7, 0.7, 0.2] * 2)
    real = validation.similarities

    class Told:
        def __init__(self, found: Any) -> None:
            self.found = found

        def metrics(self) -> dict[str, Metric]:
            return {**self.found.metrics(), "mAP@10": Metric(next(figures), None)}

    monkeypatch.setattr(validation, "similarities", lambda *a: Told(real(*a)))
    for select in ("best", "last"):
        recipe = recipe_of(document, optimiser={"epochs": 4, "batch": 15, "select": select})
        train.train(recipe, tmp_path / select, silent)
    kept = {
        select: torch.load(tmp_path / select / "best.pt", weights_only=True)
        for select in ("best", "last")
    }
    last = torch.load(tmp_path / "best" / "last.pt", weights_only=True)
    assert kept["best"]["figures"]["mAP@10"] == 0.7
    assert kept["last"]["figures"]["mAP@10"] == 0.2
    name = "audio.projection.0.weight"
    assert kept["last"]["model"][name].equal(last["model"][name])
    assert not kept["best"]["model"][name].equal(last["model"][name])
    said = [row["mAP@10"] for row in rows(tmp_path / "best" / "validation.csv")]
    assert said == ["0.5", "0.7", "0.7", "0.2"]
    assert last["progress"]["best"] == 0.7
    assert last["progress"]["stale"] == 2


def test_a_plateau_of_the_loss_is_of_the_validation_set_without_augmentation(
    document: Document, recipe_of: RecipeOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, bool]] = []
    real = learning.pair_batch

    def watched(model: Any, batch: Any, *arguments: Any, **named: Any) -> Any:
        seen.append((model.training, batch.plans is None))
        return real(model, batch, *arguments, **named)

    monkeypatch.setattr(learning, "pair_batch", watched)
    monkeypatch.setattr(validation, "pair_batch", watched)
    recipe = recipe_of(
        document,
        augment={"audio": {"gain_db": 6.0, "spec_time_stripes": 2}},
        optimiser={"epochs": 1, "schedule": {"kind": "plateau", "monitor": "loss"}},
    )
    train.train(recipe, tmp_path, silent)
    assert seen[:5] == [(True, False)] * 5
    assert seen[5:] == [(False, True)] * 2  # 15 pairs in batches of six, the rest left out
    (row,) = rows(tmp_path / "validation.csv")
    assert float(row["loss"]) > 0


def test_terms_of_one_name_are_logged_apart(
    document: Document, recipe_of: RecipeOf, tmp_path: Path
) -> None:
    objective = [
        {"term": "nt_xent"},
        {"term": "nt_xent", "options": {"temperature": 0.5}, "weight": 0.5},
    ]
    train.train(
        recipe_of(document, objective=objective, optimiser={"max_steps": 2}), tmp_path, silent
    )
    for row in rows(tmp_path / "metrics.csv"):
        both = float(row["nt_xent"]) + 0.5 * float(row["nt_xent_2"])
        assert float(row["loss"]) == pytest.approx(both, rel=1e-5)


def test_gradients_are_clipped(document: Document, recipe_of: RecipeOf, tmp_path: Path) -> None:
    plain: Document = {"kind": "adamw", "max_steps": 3}
    for name, optimiser in (("no", plain), ("wide", plain | {"clip_norm": 1e6})):
        train.train(recipe_of(document, optimiser=optimiser), tmp_path / name, silent)
    tight = plain | {"clip_norm": 1e-6}
    train.train(recipe_of(document, optimiser=tight), tmp_path / "tight", silent)
    found = {name: rows(tmp_path / name / "metrics.csv") for name in ("no", "wide", "tight")}
    assert found["no"] == found["wide"]
    assert found["no"][0] == found["tight"][0]
    assert found["no"][2] != found["tight"][2]
