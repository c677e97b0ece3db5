"""Trainings from the command line that are killed, refused, or run out of room."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("torch")

import torch

from soundseek.lab.retrieval.synthetic import write_synthetic_corpus
from support.command_line import hears_ctrl_c, process, succeeded, typed
from support.killed_runs import KILLS

pytestmark = [pytest.mark.lab, pytest.mark.slow]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_synthetic_corpus(tmp_path_factory.mktemp("corpus"), kinds=4, duration_s=0.5)


@pytest.fixture
def recipe(corpus: Path, home: Path) -> Path:
    """Hundreds of steps, with all that has a state of its own."""
    document = {
        "system": "retrieval",
        "name": "test/killed",
        "description": "for tests",
        "seed": 3,
        "data": {
            split: [{"corpus": "clips", "root": str(corpus), "split": split}]
            for split in ("train", "validation", "test")
        },
        "audio": {
            "encoder": "panns_cnn10",
            "weights": "random",
            "options": {"channels": [2, 2, 4, 4], "classes": None, "frontend": "panns_16k"},
            "max_s": 0.4,
        },
        "text": {
            "encoder": "small_transformer",
            "weights": "random",
            "options": {"width": 8, "layers": 1, "heads": 2, "vocabulary": 200},
            "max_tokens": 12,
        },
        "space": {"dimension": 8},
        "objective": [{"term": "nt_xent", "options": {"learnt": True, "temperature": 0.2}}],
        "optimiser": {
            "kind": "adamw",
            "learning_rate": 0.002,
            "batch": 4,
            "epochs": 60,
            "ema": 0.9,
            "frozen_epochs": {"text.encoder": 3},
            "schedule": {"kind": "plateau", "monitor": "mAP@10", "patience": 1},
        },
        "run": {
            "device": "cpu",
            "threads": 1,
            "workers": 2,
            "log_steps": 1,
            "checkpoint_steps": 3,
            "evaluate_epochs": 3,
            "cache": str(home / "waveforms"),
            "loggers": [],
        },
    }
    path = home / "recipe.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {name: value for name, value in row.items() if name != "seconds"}
            for row in csv.DictReader(file)
        ]


def assert_same_result(first: Path, second: Path) -> None:
    for name in ("metrics.csv", "validation.csv"):
        assert table(first / name) == table(second / name), name
    one, other = (json.loads((folder / "scores.json").read_text()) for folder in (first, second))
    assert one == other
    kept, again = (torch.load(folder / "best.pt", weights_only=True) for folder in (first, second))
    assert list(kept["model"]) == list(again["model"])
    for name, value in kept["model"].items():
        assert value.equal(again["model"][name]), name
    assert not list(second.glob("*.partial*"))


def test_a_training_killed_ten_times_comes_to_the_same_result(recipe: Path, home: Path) -> None:
    """At any moment, by the signal that nothing can catch."""
    tests = str(Path(__file__).parents[1])
    path = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "support.killed_runs", str(recipe), str(home / "killed"), "7"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    log = home / "killed.log"
    said = log.read_text(encoding="utf-8") if log.exists() else ""
    assert done.returncode == 0, done.stderr + said[-3000:]
    kills, places = map(int, done.stdout.split())
    assert KILLS >= kills > 0
    assert places > 1
    assert "resumed stage train" in said
    succeeded("train", recipe, "--out", "whole")
    assert_same_result(home / "whole", home / "killed")


def test_ctrl_c_ends_a_training_and_it_goes_on(recipe: Path, home: Path) -> None:
    running = process("train", recipe, "--out", "stopped", preexec_fn=hears_ctrl_c)
    limit = time.monotonic() + 120
    while not Path("stopped/last.pt").exists() and time.monotonic() < limit:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    assert b"Traceback" not in errors
    result = typed("train", recipe, "--out", "stopped")
    assert result.exit_code == 0, result.output
    assert "resumed stage train at step " in result.stderr


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed"),
    ],
    ids=["system", "torch"],
)
def test_a_full_disk_leaves_the_checkpoint_of_before(
    recipe: Path, home: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    real, saves = torch.save, 0

    def full(state: Any, path: Path) -> None:
        nonlocal saves
        saves += 1
        if saves >= 3:
            path.write_bytes(b"half of it")
            raise failure
        real(state, path)

    short = ("optimiser.epochs=2", "run.evaluate_epochs=2")
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        result = typed("train", recipe, *short, "--out", "run")
    assert result.exit_code == 2
    assert "last.pt cannot be written: " in result.stderr
    assert "disk has room" in result.stderr
    assert torch.load("run/last.pt", weights_only=True)["progress"]["step"] == 6
    assert not list(Path("run").glob("*.partial"))
    succeeded("train", recipe, *short, "--out", "run")
    succeeded("train", recipe, *short, "--out", "whole")
    assert_same_result(home / "whole", home / "run")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ("optimiser.learning_rat=0.1", "did you mean 'learning_rate'"),
        ("data.train=[{corpus: clips, root: nowhere}]", "there is no nowhere"),
        ("audio.checkpoint=nowhere.pt; audio.weights=pretrained", "nowhere.pt"),
        ("run.devices=0", "run.devices"),
        ("optimiser.frozen_epochs={audio.encodr: 1}", "audio.encoder"),
        ("run.precision=fp16", "bf16"),
    ],
)
def test_what_cannot_be_is_told_at_once(recipe: Path, overrides: str, said: str) -> None:
    result = typed("train", recipe, *overrides.split("; "), "--out", "run")
    assert result.exit_code == 2, result.output
    assert said in result.stderr


def test_a_checkpoint_of_another_architecture_is_told(recipe: Path, home: Path) -> None:
    torch.save({"model": {"a.weight": torch.zeros(2)}}, home / "other.pt")
    overrides = ("audio.checkpoint=other.pt", "audio.weights=pretrained")
    result = typed("train", recipe, *overrides, "--out", "run")
    assert result.exit_code == 2, result.output
    assert "other.pt" in result.stderr
