"""Two processes that train a captioner, as the command line starts them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("torch")
pytest.importorskip("transformers")

from soundseek.lab.captioning import train
from support.retrieval import rows, silent
from support.runs import loaded

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def trained_by_two(recipe: Any, folder: Path) -> None:
    """Train by the command line."""
    file = folder.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(recipe.model_dump(mode="json")), encoding="utf-8")
    command = [sys.executable, "-m", "soundseek", "train", str(file), "run.devices=2"]
    done = subprocess.run(
        [*command, "--out", str(folder)], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr


def test_two_processes_learn_what_one_learns(small: Callable[..., Any], tmp_path: Path) -> None:
    """Noise and captions without sounds included; and one of them scores the test clips."""
    recipe = small(
        "soundseek/captions",
        network={"dropout": 0.0},
        objective={"pads_in_loss": False},
        optimiser={
            "kind": "adamw",
            "epochs": 2,
            "max_steps": 6,
            "batch": 8,
            "learning_rate": 1e-3,
            "frozen_epochs": {"captioner.adapter": 0.5},
        },
    )
    trained_by_two(recipe, tmp_path / "two")
    train.train(recipe, tmp_path / "one", silent)
    two, one = (rows(tmp_path / folder / "metrics.csv") for folder in ("two", "one"))
    assert len(two) == len(one) == 6
    for step, (first, second) in enumerate(zip(two, one, strict=True)):
        wanted = pytest.approx(float(second["loss"]), rel=1e-5 if step < 3 else 1e-2)
        assert float(first["loss"]) == wanted, step
    judged = [rows(tmp_path / folder / "validation.csv")[-1] for folder in ("two", "one")]
    assert float(judged[0]["loss"]) == pytest.approx(float(judged[1]["loss"]), rel=1e-2)
    kept = [loaded(tmp_path / folder / "last.pt")["model"] for folder in ("two", "one")]
    for weights, value in kept[1].items():
        assert kept[0][weights].allclose(value, rtol=0.02, atol=2e-3), weights
    assert json.loads((tmp_path / "two" / "scores.json").read_text())["n"] == 5
    assert len(json.loads((tmp_path / "two" / "environment.json").read_text())["sessions"]) == 1
