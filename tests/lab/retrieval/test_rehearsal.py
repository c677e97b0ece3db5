from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("torch")

import torch

from soundseek.lab.memory import PeakMemory
from soundseek.lab.retrieval.rehearsal import rehearse
from soundseek.lab.retrieval.train import train
from soundseek.lab.retrieval.trial import Trials
from support.retrieval import Document, silent

pytestmark = pytest.mark.lab

NOWHERE = [{"corpus": "clips", "root": "/nowhere/clips"}]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_recipe_is_told_in_figures_and_words(
    document: Document, recipe_of: Any, home: Path
) -> None:
    recipe = recipe_of(
        document,
        stages=[
            {"stage": "first", "text": {"frozen": True}},
            {
                "stage": "second",
                "teachers": ["stage:first"],
                "objective": [{"term": "nt_xent"}, {"term": "estimated_correspondences"}],
                "optimiser": {
                    "epochs": 4,
                    "frozen_epochs": {"audio.encoder": 2},
                    "ema": 0.9,
                    "max_steps": 7,
                },
            },
        ],
    )
    found = rehearse(recipe, home / "run", silent)
    assert found.problems == ()
    assert files(home) == {}
    first, second = found.stages
    assert first.data["train"].clips == 10
    assert first.data["train"].captions == first.course.pairs == 30
    assert first.data["train"].probed == 10
    assert second.course.steps == second.course.steps_left == 7
    assert first.trial is not None
    assert second.trial is not None
    everything, trained = first.trial.parameters["text.encoder"]
    assert (everything > 0, trained) == (True, 0)
    # Parts that are freed later are tried, and their moments counted.
    assert second.trial.parameters["audio.encoder"][1] > 0
    assert second.trial.parameters["text.encoder"][1] == everything
    assert second.trial.checkpoint_bytes > 3 * second.trial.kept_bytes
    assert found.seconds is not None
    assert found.seconds > 0
    json.dumps(found.document(), allow_nan=False)
    told = "\n".join(found.lines())
    for part in (
        "stage second",
        "estimated_correspondences",
        "frozen",
        "decoded sounds",
        "estimate",
    ):
        assert part in told


@pytest.mark.slow
def test_sizes_are_those_of_the_files_that_a_run_leaves(
    document: Document, recipe_of: Any, home: Path
) -> None:
    recipe = recipe_of(document, optimiser={"ema": 0.9, "epochs": 1})
    found = rehearse(recipe, home / "run", silent)
    train(recipe, home / "run", silent)
    (stage,) = found.stages
    assert stage.trial is not None
    for size, file in (
        (stage.trial.kept_bytes, "stage-train.pt"),
        (stage.trial.checkpoint_bytes, "last.pt"),
    ):
        tensors = _tensor_bytes(torch.load(home / "run" / file, weights_only=True))
        assert abs(size - tensors) < 0.01 * tensors + 100
    (decoded, _) = found.disk
    assert decoded.what == "decoded sounds"


def _tensor_bytes(value: Any) -> int:
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return sum(map(_tensor_bytes, value.values()))
    return sum(map(_tensor_bytes, value)) if isinstance(value, list) else 0


@pytest.mark.slow
def test_a_run_that_stands_there_is_resumed_and_left_alone(
    document: Document, recipe_of: Any, home: Path
) -> None:
    recipe = recipe_of(
        document, stages=[{"stage": "a", "optimiser": {"epochs": 1}}, {"stage": "b"}]
    )
    train(recipe, home / "run", silent)
    before = files(home)
    found = rehearse(recipe, home / "run", silent)
    assert files(home) == before
    assert found.standing is not None
    assert found.standing.stage == "b"
    assert [stage.course.steps_left for stage in found.stages] == [0, 0]
    assert "is resumed in stage b" in "\n".join(found.lines())
    other = rehearse(recipe_of(document, seed=8), home / "run", silent)
    assert [problem.where for problem in other.problems] == ["--out"]
    assert "another recipe" in other.problems[0].message
    assert files(home) == before


def test_all_that_is_missing_is_told_at_once(
    document: Document, recipe_of: Any, home: Path
) -> None:
    elsewhere = [
        {"corpus": "clips", "root": "/nowhere/more", "exclude": ["clotho_all", "/nowhere/x.csv"]}
    ]
    recipe = recipe_of(
        document,
        data={"train": NOWHERE, "extra_captions": ["/nowhere/extra.csv"]},
        audio={"weights": "pretrained", "checkpoint": "/nowhere/weights.pth"},
        text={"encoder": "bert", "weights": "pretrained", "model": None, "options": {}},
        augment={"text": {"p_eda": 0.5, "p_synonym": 0.5}, "wordnet": "/nowhere/wordnet"},
        teachers=["/nowhere/teacher"],
        stages=[{"stage": "a", "data": {"validation": elsewhere}}, {"stage": "b"}],
    )
    found = rehearse(recipe, None, silent)
    told = "\n".join(map(str, found.problems))
    for part in (
        "/nowhere/clips",
        "/nowhere/more",
        "data/exclusion",
        "/nowhere/x.csv",
        "/nowhere/extra.csv",
        "/nowhere/weights.pth",
        "/nowhere/wordnet",
        "/nowhere/teacher",
        "text: ",
    ):
        assert part in told, part
    assert told.count("there is no /nowhere/clips") == 1
    assert found.seconds is None
    json.dumps(found.document(), allow_nan=False)
    list(found.lines())


def test_a_checkpoint_of_another_network(document: Document, recipe_of: Any, home: Path) -> None:
    file = home / "other.pth"
    torch.save({"model": {"layer.weight": torch.zeros(2, 2)}}, file)
    recipe = recipe_of(document, audio={"weights": "pretrained", "checkpoint": str(file)})
    (problem,) = rehearse(recipe, None, silent).problems
    assert problem.where == "audio"
    assert "other.pth" in problem.message


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_full_disk(
    document: Document, recipe_of: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100, 95, 5))
    found = rehearse(recipe_of(document, run={"cache": None}), home / "run", silent)
    (problem,) = found.problems
    assert problem.where == "disk"
    assert "are needed in" in problem.message
    assert found.disk[0].bytes > 10 * 16_000 * 2  # two bytes a sample, before anything is decoded


def test_sounds_that_cannot_be_read_are_counted(
    document: Document, recipe_of: Any, synthetic: Path, home: Path
) -> None:
    corpus = home / "corpus"
    shutil.copytree(synthetic, corpus)
    bad = sorted((corpus / "audio").glob("*-0.wav"))[0]
    bad.write_bytes(b"no sound at all")
    present = [{"corpus": "clips", "root": str(corpus), "split": "train", "audio": "optional"}]
    found = rehearse(recipe_of(document, data={"train": present}), None, silent)
    part = found.stages[0].data["train"]
    assert found.problems == ()
    assert list(part.unreadable) == [bad.stem]
    assert "1 of 10 looked at cannot be read" in "\n".join(found.lines())


def test_a_device_that_is_not_here(document: Document, recipe_of: Any, home: Path) -> None:
    if torch.cuda.device_count() > 90:
        pytest.skip("it is here")
    found = rehearse(recipe_of(document, run={"device": "cuda:90"}), None, silent)
    assert "run.device" in [problem.where for problem in found.problems]


def test_a_batch_beyond_the_memory_is_not_tried(
    document: Document, recipe_of: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps(self: Trials, stage: Any) -> Any:
        raise AssertionError("that would have filled the memory")

    monkeypatch.setattr(PeakMemory, "peak", lambda self: self.before + 10**14)
    monkeypatch.setattr(Trials, "_steps", steps)
    (problem,) = rehearse(recipe_of(document), None, silent).problems
    assert problem.where == "train: optimiser.batch"
    assert "--find-batch" in str(problem.remedy)


def test_a_gpu_that_is_too_small(
    document: Document, recipe_of: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Trials, stage: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Trials, "_steps", full)
    (problem,) = rehearse(recipe_of(document), None, silent).problems
    assert "too large for the GPU" in problem.message


def test_a_batch_that_cannot_be_shared_out(document: Document, recipe_of: Any, home: Path) -> None:
    recipe = recipe_of(document, optimiser={"batch": 10}, run={"devices": 4, "device": "cpu"})
    (problem,) = rehearse(recipe, None, silent).problems
    assert "10 pairs cannot be divided into 4" in problem.message


def test_a_loss_that_is_not_finite(
    document: Document, recipe_of: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(document, objective=[{"term": "nt_xent", "options": {"temperature": 1e-45}}])
    (problem,) = rehearse(recipe, None, silent).problems
    assert problem.where == "train"
    assert "not finite" in problem.message


def test_several_processes_share_a_batch(
    document: Document, recipe_of: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(document, optimiser={"batch": 12}, run={"devices": 2, "device": "cpu"})
    found = rehearse(recipe, None, silent)
    assert found.problems == ()
    assert found.stages[0].trial is not None
    assert found.stages[0].trial.batch == 6
    assert any("one process was tried" in note for note in found.notes)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "torchrun" in str(rehearse(recipe, None, silent).problems[0].remedy)
