"""Two processes that train a model, as the command line starts them."""

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

import torch

from soundseek.lab.audio_encoders import encoder_class
from soundseek.lab.recipe_files import merged
from soundseek.lab.retrieval import train
from soundseek.lab.text_encoders import text_encoder_class
from support.retrieval import Document, rows, silent

pytestmark = [pytest.mark.lab, pytest.mark.slow]

RecipeOf = Callable[..., Any]


@pytest.fixture
def calm(document: Document) -> Document:
    """Encoders without chance or batch statistics; the text's thaws in the second epoch."""
    audio = {**encoder_class("beats").TINY, "padding": "whole_patches", "encoder_layerdrop": 0.0}
    return merged(
        document,
        {
            "audio": {"encoder": "beats", "options": None},
            "text": {"encoder": "bert", "options": None},
            "objective": [
                {"term": "nt_xent", "options": {"learnt": True, "temperature": 0.2}},
                {"term": "triplet_random", "options": {"margin": 0.2}},
            ],
            "optimiser": {
                "kind": "adamw",
                "learning_rate": 0.001,
                "frozen_epochs": {"text.encoder": 1},
            },
        },
    ) | {
        "audio": {**document["audio"], "encoder": "beats", "options": audio},
        "text": {
            **document["text"],
            "encoder": "bert",
            "options": {**text_encoder_class("bert").TINY, "dropout": 0.0},
        },
    }


def trained_by_two(document: Document, folder: Path) -> list[str]:
    """Train by the command line; returns what it said."""
    recipe = folder.with_suffix(".yaml")
    recipe.write_text(yaml.safe_dump(json.loads(json.dumps(document))), encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "soundseek", "train", str(recipe), "run.devices=2"),
            *("--out", str(folder)),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def test_two_processes_learn_what_one_learns(
    calm: Document, recipe_of: RecipeOf, tmp_path: Path
) -> None:
    said = trained_by_two(calm, tmp_path / "two")
    train.train(recipe_of(calm), tmp_path / "one", silent)
    two, one = (rows(tmp_path / name / "metrics.csv") for name in ("two", "one"))
    assert len(two) == len(one) == 10
    for step, (first, second) in enumerate(zip(two, one, strict=True)):
        for name in ("loss", "nt_xent", "triplet_random"):
            wanted = pytest.approx(float(second[name]), rel=1e-5 if step < 3 else 1e-2)
            assert float(first[name]) == wanted, (step, name)
    kept = [torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("two", "one")]
    for name, value in kept[1]["model"].items():
        torch.testing.assert_close(kept[0]["model"][name], value, rtol=0.02, atol=2e-3, msg=name)
    scale = "terms.nt_xent.log_scale"
    torch.testing.assert_close(
        kept[0]["objective"][scale], kept[1]["objective"][scale], rtol=1e-3, atol=1e-4
    )
    # The first process alone tells and writes.
    steps = [line for line in said if line.startswith("train step ")]
    assert len(steps) == len(set(steps)) == 10
    assert len(json.loads((tmp_path / "two" / "environment.json").read_text())["sessions"]) == 1
    names = [{path.name for path in (tmp_path / name).iterdir()} for name in ("one", "two")]
    assert names[0] == names[1] - {".lock"}


def test_two_processes_train_terms_that_read_while_listening(
    calm: Document, tmp_path: Path
) -> None:
    """With everything else that has a part in a step; and go on where they were."""
    document = merged(
        calm,
        {
            "objective": [{"term": "nt_xent"}, {"term": "matching"}, {"term": "masked_lm"}],
            "optimiser": {
                "batch": 8,
                "accumulate": 2,
                "ema": 0.9,
                "clip_norm": 1.0,
                "non_finite": "skip",
                "frozen_epochs": {"audio.encoder": 0.5},
                "max_steps": 4,
            },
            "run": {"precision": "bf16", "workers": 2},
        },
    )
    trained_by_two(document, tmp_path / "run")
    found = rows(tmp_path / "run" / "metrics.csv")
    assert len(found) == 4
    for row in found:
        assert 0 < float(row["matching"]) < 5
        assert 0 < float(row["masked_lm"]) < 10
        assert row["skipped"] == "0"
    assert json.loads((tmp_path / "run" / "scores.json").read_text())["n"] == 15
