from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from soundseek.bundle.captioning.load import load_captioner
from soundseek.errors import BundleError, DataError, SoundseekError
from soundseek.lab.captioning import export, scoring
from soundseek.lab.captioning.build import build_model
from soundseek.lab.captioning.clips import captioned_sets
from soundseek.lab.captioning.export import export_run
from soundseek.lab.captioning.prepare import prepare_part
from soundseek.lab.captioning.scoring import captions_of
from soundseek.lab.captioning.train import train
from soundseek.lab.captioning.trained import keep, load_trained
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.systems import export as export_by_system
from soundseek.metrics.captions import coco
from support.captioners import CAPTIONS
from support.command_line import succeeded
from support.retrieval import silent
from support.runs import interrupted

pytestmark = pytest.mark.lab

Small = Callable[..., Any]
NAME = "soundseek/captions"
# Enough to write sentences, of which not all are the same.
LEARNT = {
    "data": {"bucket": None},
    "optimiser": {"epochs": 200, "max_steps": 400, "batch": 16, "learning_rate": 0.005},
    "network": {"dropout": 0.0, "width": 32},
    "objective": {"label_smoothing": 0.0},
    "decoding": {"max_tokens": 24},
    "run": {"checkpoint_steps": 1000, "evaluate_epochs": 200, "precision": "fp32"},
}


@pytest.fixture(autouse=True)
def _without_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than learning."""
    monkeypatch.setattr(scoring, "tell_report", lambda folder, say: None)


@pytest.fixture(scope="session")
def kept_runs() -> dict[str, Path]:
    """Runs that serve several tests."""
    return {}


@pytest.fixture
def learnt(
    small: Small, kept_runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run that has learnt to write sentences."""
    if "learnt" not in kept_runs:
        kept_runs["learnt"] = tmp_path_factory.mktemp("learnt")
        train(small(NAME, **LEARNT), kept_runs["learnt"], silent)
    return kept_runs["learnt"]


def begun(recipe: Any, folder: Path) -> Path:
    """A run's folder with a model of random weights."""
    RunFolder.claim(folder, recipe)
    keep(folder / "best.pt", build_model(recipe, CAPTIONS), {"loss": 1.0})
    return folder


def written(run: Path) -> list[str]:
    with (run / "captions.csv").open(newline="", encoding="utf-8") as file:
        return [row["prediction"] for row in csv.DictReader(file)]


@pytest.mark.slow
def test_a_captioner_writes_what_its_run_wrote(learnt: Path, tmp_path: Path) -> None:
    """By beams and greedily; of clips from files, and of windows that a library would keep."""
    said: list[str] = []
    folder = export_run(learnt, tmp_path / "captioner", name="tiny-captions", say=said.append)
    assert f"wrote {folder}" in said
    assert not any("warning" in line for line in said)
    trained = load_trained(learnt)
    bundle: Any = trained.model.audio.encoder.bundle
    captioner = load_captioner(folder, bundle=bundle)
    captioner.verify()
    sets = captioned_sets(trained.recipe, silent)
    for part in (sets.test, sets.train):
        prepared = prepare_part("x", part, trained.recipe, trained.model, tmp_path, silent)
        windows = [prepared.heard.batch([i])[0][0].numpy() for i in range(len(part))]  # type: ignore[union-attr]
        for beams in (4, 1):
            own = trained.recipe.decoding.model_copy(update={"beams": beams})
            expected = [one.written for one in captions_of(trained.model, prepared, own, silent)]
            found = captioner.caption(windows, _with(captioner, beams=beams))
            assert [one.text for one in found] == [one.text for one in expected]
            # Weights of half the size move a probability by little.
            for one, other in zip(found, expected, strict=True):
                assert one.score == pytest.approx(other.mean_log_probability, abs=0.01)
            assert len({one.text for one in found}) > 2
    heard = bundle.encode_audio([clip.path for clip in sets.test], windows=True)
    texts = [one.text for one in captioner.caption(heard)]
    assert texts == written(learnt)


def _with(captioner: Any, **changes: Any) -> Any:
    return dataclasses.replace(captioner.decoding, **changes)


@pytest.mark.slow
def test_what_a_captioner_says_of_itself(learnt: Path, tmp_path: Path) -> None:
    folder = export_run(learnt, tmp_path / "captioner", name="tiny-captions", say=silent)
    manifest = load_captioner(folder).manifest
    recipe = load_trained(learnt).recipe
    assert manifest.name == "tiny-captions"
    # What BART counts before the first word is not counted here.
    assert manifest.decoding.min_tokens == recipe.decoding.min_tokens - 2 == 3
    assert manifest.decoding.max_tokens == manifest.text.max_tokens == 22
    assert manifest.decoding.beams == 4
    assert (manifest.text.begin, manifest.text.pad, manifest.text.end) == (0, 1, 2)
    assert manifest.most_windows >= 2
    assert [(one.name, one.licence, one.clips) for one in manifest.provenance.data] == [
        ("synthetic", "CC0", 10)
    ]
    assert manifest.provenance.attribution == ""
    scores: Any = manifest.provenance.scores["test"]
    own = json.loads((learnt / "scores.json").read_text(encoding="utf-8"))
    assert scores["n"] == own["n"] == 5
    for name, figure in own["metrics"].items():
        assert scores["metrics"][name]["value"] == pytest.approx(figure["value"], abs=1e-6)
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| synthetic | 10 | CC0 |" in card
    assert f"| rouge_l | {own['metrics']['rouge_l']['value']:.4f} |" in card


@pytest.mark.slow
def test_a_captioner_is_exported_by_the_command_line_and_without_the_tools(
    learnt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Path:
        raise SoundseekError("captioning metrics need pycocoevalcap", remedy="install it")

    monkeypatch.setattr(coco, "tools_folder", missing)
    said = succeeded("export", learnt, "--name", "tiny-captions", "--out", tmp_path / "made")
    assert said.splitlines()[-1] == str(tmp_path / "made")
    assert load_captioner(tmp_path / "made").manifest.provenance.scores == {}
    assert "nothing to measure them with" in (tmp_path / "made" / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize(
    ("name", "heard"),
    [
        ("cmu2022/captioning_baseline", "hears by vggish"),
        ("cmu2022/captioning_events", "vggish with sound events"),
    ],
)
def test_a_run_that_hears_by_no_bundle_is_refused(
    small: Small, tmp_path: Path, name: str, heard: str
) -> None:
    run = begun(small(name), tmp_path / "run")
    with pytest.raises(BundleError, match=heard) as caught:
        export_by_system(run, tmp_path / "captioner", name="x", say=silent)
    assert "soundseek/captions" in str(caught.value.remedy)
    assert not (tmp_path / "captioner").exists()


def test_what_does_not_fit_is_refused_before_anything_is_made(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(*_: Any) -> bytes:
        raise AssertionError("a graph was made")

    monkeypatch.setattr(export, "memory_graph", too_late)
    run = begun(small(NAME), tmp_path / "run")
    with pytest.raises(BundleError, match=r"windows of 5 s.*\n.*--window"):
        export_run(run, tmp_path / "captioner", name="x", say=silent, window_s=5.0)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("x", encoding="utf-8")
    with pytest.raises(BundleError, match="exists already"):
        export_run(run, tmp_path / "taken", name="x", say=silent)
    with pytest.raises(DataError, match="no run in"):
        export_run(tmp_path / "absent", tmp_path / "captioner", name="x", say=silent)
    short = begun(small(NAME, decoding={"min_tokens": 0, "max_tokens": 3}), tmp_path / "short")
    with pytest.raises(BundleError, match="captions of 1 tokens are too short"):
        export_run(short, tmp_path / "captioner", name="x", say=silent)
    nowhere = {"train": [{"corpus": "clips", "root": str(tmp_path / "nowhere")}]}
    moved = begun(small(NAME, data=nowhere), tmp_path / "moved")
    with pytest.raises(DataError, match="nowhere"):
        export_run(moved, tmp_path / "captioner", name="x", say=silent)


def test_what_the_runtime_does_otherwise_is_said(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("rain wind", encoding="utf-8")
    told = []
    for number, decoding in enumerate(
        ({}, {"search": "baseline", "method": "nucleus"}, {"words": str(words)})
    ):
        run = begun(small(NAME, decoding=decoding), tmp_path / str(number))
        said: list[str] = []
        work = partial(export_run, run, tmp_path / "captioner", name="x", say=said.append)
        interrupted(export, "memory_graph", 1, work, monkeypatch)
        told.append([line for line in said if line.startswith("warning")])
    assert [len(lines) for lines in told] == [0, 2, 1]
    assert "decoding.search" in told[1][0]
    assert "decoding.words" in told[2][0]
