"""Batches whose loss or gradient is not finite."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError
from soundseek.lab.objectives.nt_xent import NtXent
from soundseek.lab.retrieval import stage as staging
from soundseek.lab.retrieval import train
from support.retrieval import Document, rows, silent

pytestmark = pytest.mark.lab

RecipeOf = Callable[..., Any]
Spoil = Callable[..., None]


class Poison(torch.autograd.Function):
    """A gradient that is infinite behind a value that is not."""

    @staticmethod
    def forward(context: Any, value: torch.Tensor) -> torch.Tensor:
        return value.clone()

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient * torch.inf


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Spoil:
    """Return spoil(calls, how): these calls of NT-Xent (from 0) go wrong, in `loss` or in
    `gradient`."""

    def spoilt(calls: set[int], how: str = "loss") -> None:
        real, made = NtXent.forward, -1

        def forward(self: Any, batch: Any) -> torch.Tensor:
            nonlocal made
            made += 1
            value = real(self, batch)
            if made not in calls:
                return value
            poisoned: torch.Tensor = Poison.apply(value) if how == "gradient" else value * torch.nan
            return poisoned

        monkeypatch.setattr(NtXent, "forward", forward)

    return spoilt


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, torch.Tensor]]:
    """Filled by a training: the learner's state before each step and after the last."""
    seen: list[dict[str, torch.Tensor]] = []
    real = staging.Stage._learn

    def copied(self: Any) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in self.learner.state_dict().items()}

    def watched(self: Any, lessons: Any) -> Any:
        seen.append(copied(self))
        means = real(self, lessons)
        if self.progress.step + 1 == self.total:
            seen.append(copied(self))
        return means

    monkeypatch.setattr(staging.Stage, "_learn", watched)
    return seen


@pytest.mark.parametrize("how", ["loss", "gradient"])
def test_a_skipped_batch_leaves_no_trace_in_the_model(
    document: Document,
    recipe_of: RecipeOf,
    tmp_path: Path,
    spoil: Spoil,
    states: list[dict[str, torch.Tensor]],
    how: str,
) -> None:
    """Neither in weights nor in the statistics and counters of its batch norms; nor in the mean."""
    spoil({2, 4}, how)
    said: list[str] = []
    recipe = recipe_of(
        document, optimiser={"non_finite": "skip", "max_steps": 7, "epochs": 2, "ema": 0.9}
    )
    train.train(recipe, tmp_path, said.append)
    for step in range(7):
        same = [name for name, value in states[step].items() if value.equal(states[step + 1][name])]
        assert (len(same) == len(states[step])) == (step in (2, 4)), step
        counters = {name for name in states[step] if name.endswith("num_batches_tracked")}
        assert counters
        assert counters.isdisjoint(same) == (step not in (2, 4))
    found = rows(tmp_path / "metrics.csv")
    assert [row["skipped"] for row in found] == ["0", "0", "1", "1", "2", "2", "2"]
    assert [row["loss"] == "nan" for row in found] == [i in (2, 4) for i in range(7)]
    assert len([line for line in said if line.startswith("skipped: step ")]) == 2
    assert "2 batches skipped" in next(line for line in said if line.startswith("train step 7/7"))
    told = json.loads((tmp_path / "refused-batch.json").read_text(encoding="utf-8"))
    assert told["step"] == 4
    assert len(told["clips"]) == len(told["captions"]) == 6
    assert ("nt_xent is nan" if how == "loss" else "gradient's norm") in told["problem"]
    saved = torch.load(tmp_path / "last.pt", weights_only=True)
    assert saved["progress"]["skipped"] == 2
    assert saved["progress"]["skipped_in_a_row"] == 0
    assert all(value.isfinite().all() for value in saved["average"].values())


def test_a_row_of_several_steps_is_the_mean_of_those_that_taught(
    document: Document, recipe_of: RecipeOf, tmp_path: Path, spoil: Spoil
) -> None:
    spoil({3})
    settings = {"non_finite": "skip", "max_steps": 5}
    recipe = recipe_of(document, optimiser=settings, run={"log_steps": 5})
    train.train(recipe, tmp_path, silent)
    (row,) = rows(tmp_path / "metrics.csv")
    assert 0 < float(row["loss"]) < 10
    assert row["skipped"] == "1"


def test_ten_in_a_row_stop_the_run(
    document: Document, recipe_of: RecipeOf, tmp_path: Path, spoil: Spoil
) -> None:
    spoil({1, *range(3, 99)})
    recipe = recipe_of(document, optimiser={"non_finite": "skip", "epochs": 9})
    said: list[str] = []
    with pytest.raises(DataError, match=r"step 12 of .*\(10 batches in a row\)\n.*refused-batch"):
        train.train(recipe, tmp_path, said.append)
    assert len([line for line in said if line.startswith("skipped: ")]) == 10


def test_a_portion_that_fails_refuses_the_whole_batch(
    document: Document,
    recipe_of: RecipeOf,
    tmp_path: Path,
    spoil: Spoil,
    states: list[dict[str, torch.Tensor]],
) -> None:
    """The second half of step 1 has no finite loss: the first half teaches nothing either."""
    spoil({3})
    settings = {"non_finite": "skip", "max_steps": 3, "accumulate": 2}
    train.train(recipe_of(document, optimiser=settings), tmp_path, silent)
    assert all(value.equal(states[2][name]) for name, value in states[1].items())
    assert not all(value.equal(states[3][name]) for name, value in states[2].items())
    told = json.loads((tmp_path / "refused-batch.json").read_text(encoding="utf-8"))
    assert len(told["clips"]) == 6


def test_bf16_trains_on_a_processor(
    document: Document, recipe_of: RecipeOf, tmp_path: Path
) -> None:
    """Weights, optimiser and losses stay in single precision; the first loss is about the same."""
    for precision in ("bf16", "fp32"):
        recipe = recipe_of(document, optimiser={"max_steps": 3}, run={"precision": precision})
        train.train(recipe, tmp_path / precision, silent)
    half, whole = (rows(tmp_path / name / "metrics.csv") for name in ("bf16", "fp32"))
    assert half != whole
    assert float(half[0]["loss"]) == pytest.approx(float(whole[0]["loss"]), rel=0.05)
    saved = torch.load(tmp_path / "bf16" / "last.pt", weights_only=True)
    kinds = {value.dtype for value in saved["model"].values() if value.is_floating_point()}
    assert kinds == {torch.float32}
