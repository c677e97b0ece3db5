from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from soundseek.errors import DataError, RecipeError
from soundseek.lab.captioning import heard as hearing
from soundseek.lab.captioning import scoring, train
from soundseek.lab.captioning import stage as staging
from soundseek.lab.captioning.decoding import WrittenCaption
from soundseek.lab.reporting.report import tell_report
from soundseek.lab.retrieval.sequences import hear_sequences
from soundseek.lab.training.stage import TrainingStage
from soundseek.metrics.captions import java
from support.retrieval import rows, silent
from support.runs import assert_same_weights, interrupted, loaded

pytestmark = pytest.mark.lab

Small = Callable[..., Any]
BUNDLE, BASELINE, CRNN, EVENTS = (
    "soundseek/captions",
    "cmu2022/captioning_baseline",
    "cmu2022/captioning_crnn",
    "cmu2022/captioning_events",
)
LONGER = {"optimiser": {"epochs": 2, "max_steps": None, "batch": 8, "learning_rate": 0.003}}
OWNERS = (train, staging.CaptioningStage, TrainingStage)


@pytest.fixture(autouse=True)
def _without_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than learning."""
    monkeypatch.setattr(scoring, "tell_report", lambda folder, say: None)


@pytest.fixture(scope="session")
def kept_runs() -> dict[str, Path]:
    """Uninterrupted runs that serve several tests."""
    return {}


@pytest.fixture
def whole_run(
    small: Small, kept_runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Return whole_run(name) → the folder of an uninterrupted run of it."""

    def made(name: str) -> Path:
        if name not in kept_runs:
            kept_runs[name] = tmp_path_factory.mktemp(name.rpartition("/")[2])
            train.train(small(name, **LONGER), kept_runs[name], silent)
        return kept_runs[name]

    return made


def written(run: Path) -> list[dict[str, str]]:
    with (run / "captions.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def assert_same_run(first: Path, second: Path) -> None:
    """Weights, optimiser, tables, captions and figures."""
    assert_same_weights(first, second)
    for table in ("metrics.csv", "validation.csv"):
        assert rows(first / table) == rows(second / table), table
    for file in ("scores.json", "captions.csv", "clips.json"):
        assert (first / file).read_bytes() == (second / file).read_bytes(), file


PLACES = [
    (BUNDLE, [("with_texts", 1)]),
    (BUNDLE, [("_learn", 3)]),  # before the first checkpoint's successor
    (BUNDLE, [("_learn", 2), ("_learn", 4), ("_learn", 5)]),
    (BUNDLE, [("_validate", 1)]),  # before the first model is kept
    (BUNDLE, [("keep", 2)]),
    (BUNDLE, [("save", 4)]),
    (BUNDLE, [("linked", 1)]),
    (BUNDLE, [("score_run", 1)]),
    (EVENTS, [("_learn", 4), ("_validate", 1)]),
    (CRNN, [("_learn", 2), ("_learn", 2)]),
    (CRNN, [("_validate", 2)]),
    (CRNN, [("save", 2), ("score_run", 1)]),
]


@pytest.mark.parametrize(("name", "places"), PLACES)
def test_a_killed_run_resumes_to_the_same_result(
    small: Small,
    whole_run: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    places: list[tuple[str, int]],
) -> None:
    """Frozen and not; with captions without sounds, noise, and parts of a batch."""
    work = partial(train.train, small(name, **LONGER), tmp_path, silent)
    for place, at in places:
        owner = next(one for one in OWNERS if hasattr(one, place))
        interrupted(owner, place, at, work, monkeypatch)
    work()
    assert_same_run(tmp_path, whole_run(name))


def test_two_runs_of_a_recipe_are_the_same(
    small: Small, whole_run: Callable[..., Path], tmp_path: Path
) -> None:
    torch.manual_seed(12345)  # what was drawn before plays no part
    train.train(small(BUNDLE, **LONGER), tmp_path, silent)
    assert_same_run(tmp_path, whole_run(BUNDLE))


def test_another_seed_is_another_run(
    small: Small, whole_run: Callable[..., Path], tmp_path: Path
) -> None:
    train.train(small(BUNDLE, **LONGER, seed=4), tmp_path, silent)
    assert rows(tmp_path / "metrics.csv") != rows(whole_run(BUNDLE) / "metrics.csv")


def test_a_run_leaves_what_it_promises(whole_run: Callable[..., Path]) -> None:
    run = whole_run(BUNDLE)
    metrics, validation = rows(run / "metrics.csv"), rows(run / "validation.csv")
    # 30 captions of sounds, four without, two joined pairs: four batches of eight an epoch.
    assert [row["step"] for row in metrics] == [str(step) for step in range(1, 9)]
    assert [(row["step"], row["stage"]) for row in validation] == [("4", "train"), ("8", "train")]
    assert set(validation[0]) == {"step", "stage", "loss", "perplexity"}
    losses = [float(row["cross_entropy"]) for row in metrics]
    assert losses[-1] < losses[0]
    assert [float(row["loss"]) for row in metrics] == losses
    assert {path.name for path in run.iterdir()} >= {"last.pt", "best.pt", "stage-train.pt"}
    assert not list(run.glob("*.partial"))
    captions = written(run)
    assert list(captions[0]) == ["id", "prediction", "reference_1", "reference_2", "reference_3"]
    scores = json.loads((run / "scores.json").read_text())
    assert scores["clips"] == scores["n"] == len(captions) == 5
    assert set(scores["metrics"]) >= {"bleu_1", "bleu_4", "rouge_l", "cider", "vocabulary"}
    assert "spice" in scores["missing"]
    parts = json.loads((run / "clips.json").read_text())["train"]["parts"]
    assert parts["training"]["sources"] == {"synthetic": 10, "texts": 6}
    assert parts["validation"]["clips"] == 5


def test_a_run_has_a_report(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "tell_report", tell_report)
    said: list[str] = []
    train.train(small(BASELINE), tmp_path, said.append)
    assert f"report: {tmp_path / 'report.md'}" in said
    assert "0.506" in (tmp_path / "report.md").read_text(encoding="utf-8")  # published BLEU-1


def test_the_model_of_the_least_loss_is_kept(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, seen = iter([3.0, 2.0, 2.5, 4.0]), []

    def figures(self: Any) -> dict[str, float]:
        state = self.model.state_dict()
        seen.append({name: one.clone() for name, one in state.items()})
        loss = next(given)
        return {"loss": loss, "perplexity": loss}

    monkeypatch.setattr(staging.CaptioningStage, "figures", figures)
    recipe = small(BASELINE, optimiser={"epochs": 4, "max_steps": None, "stop_after": 2})
    train.train(recipe, tmp_path, silent)
    kept = loaded(tmp_path / "best.pt")
    assert kept["figures"] == {"loss": 2.0, "perplexity": 2.0}
    assert all(kept["model"][name].equal(one) for name, one in seen[1].items())
    assert not all(kept["model"][name].equal(one) for name, one in seen[3].items())
    assert len(seen) == 4


def test_a_finished_run_has_nothing_left_to_do(
    small: Small, whole_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(whole_run(BUNDLE), tmp_path, dirs_exist_ok=True)

    def no_step(*_: Any) -> None:
        raise AssertionError("a step too many")

    monkeypatch.setattr(TrainingStage, "_learn", no_step)
    kept = train.train(small(BUNDLE, **LONGER), tmp_path, silent)
    assert kept == tmp_path / "best.pt"
    assert_same_run(tmp_path, whole_run(BUNDLE))


def test_a_folder_holds_one_recipe(
    small: Small, whole_run: Callable[..., Path], tmp_path: Path
) -> None:
    shutil.copytree(whole_run(BUNDLE), tmp_path, dirs_exist_ok=True)
    with pytest.raises(RecipeError, match="run of another recipe"):
        train.train(small(BUNDLE, **LONGER, texts={"noise": 0.1}), tmp_path, silent)


def test_what_was_heard_is_heard_once(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a run and by those that come later; not by one whose encoder is another."""
    heard: list[Path] = []

    def watched(hear: Any, store: Any, file: Path, **named: Any) -> Any:
        heard.append(file)
        return hear_sequences(hear, store, file, **named)

    monkeypatch.setattr(hearing, "hear_sequences", watched)
    run = {"cache": str(tmp_path / "cache")}
    train.train(small(BASELINE, run=run), tmp_path / "first", silent)
    assert len(heard) == 3  # training, validation, test
    train.train(small(BASELINE, run=run, adapter={"layers": 2}), tmp_path / "second", silent)
    assert len(heard) == 3
    options = {"last_relu": True}
    train.train(small(BASELINE, run=run, audio={"options": options}), tmp_path / "third", silent)
    assert len(set(heard)) == 6


@pytest.mark.parametrize("name", [BASELINE, CRNN])
@pytest.mark.parametrize("decode", ["ahead", "when_needed"])
def test_clips_that_cannot_be_read_are_named_and_left_out(
    small: Small, synthetic: Path, tmp_path: Path, name: str, decode: str
) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(synthetic, corpus)
    lines = [json.loads(line) for line in (corpus / "clips.jsonl").read_text().splitlines()]
    bad = {}
    for split in ("train", "validation", "test"):
        bad[split] = next(line["id"] for line in lines if line["split"] == split)
        (corpus / "audio" / f"{bad[split]}.wav").write_bytes(b"no sound at all")
    data = {
        split: [{"corpus": "clips", "root": str(corpus), "split": split, "audio": "optional"}]
        for split in bad
    }
    said: list[str] = []
    changes = {"optimiser": {"epochs": 1, "max_steps": None}, "data": data}
    recipe = small(name, **changes, run={"decode": decode, "cache": None})
    train.train(recipe, tmp_path / "run", said.append)
    told = [line.split(":")[0] for line in said if line.startswith("left out")]
    assert sorted(told) == sorted(f"left out {one}" for one in bad.values())
    noted = json.loads((tmp_path / "run" / "clips.json").read_text())["train"]
    assert set(noted["left_out"]) == {bad["train"], bad["validation"]}
    captions = written(tmp_path / "run")
    assert len(captions) == 4
    assert bad["test"] not in {row["id"] for row in captions}
    assert json.loads((tmp_path / "run" / "scores.json").read_text())["n"] == 4


@pytest.mark.parametrize("pads_in_loss", [False, True])
def test_parts_of_a_batch_learn_what_the_batch_learns(
    small: Small, tmp_path: Path, pads_in_loss: bool
) -> None:
    found = []
    for accumulate in (1, 2, 3):
        recipe = small(
            BUNDLE,
            objective={"pads_in_loss": pads_in_loss},
            network={"dropout": 0.0},
            optimiser={"accumulate": accumulate, "max_steps": 3},
        )
        train.train(recipe, tmp_path / str(accumulate), silent)
        metrics = rows(tmp_path / str(accumulate) / "metrics.csv")
        found.append([float(row["loss"]) for row in metrics])
    assert len(found[0]) == 3
    for losses in found[1:]:
        assert losses == pytest.approx(found[0], rel=1e-4)


def test_a_file_of_words_is_looked_for_before_anything_is_learnt(
    small: Small, tmp_path: Path
) -> None:
    recipe = small(BASELINE, decoding={"words": str(tmp_path / "absent.txt")})
    with pytest.raises(RecipeError, match=r"decoding\.words"):
        train.train(recipe, tmp_path / "run", silent)
    assert not (tmp_path / "run" / "last.pt").exists()


def test_captions_that_are_empty_score_nothing(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def some(captioner: Any, sequence: torch.Tensor, *_: Any, **__: Any) -> list[WrittenCaption]:
        texts = ["the sound of rain" if i else "" for i in range(len(sequence))]
        return [WrittenCaption(text, (), -1.0) for text in texts]

    monkeypatch.setattr(scoring, "write_captions", some)
    said: list[str] = []
    train.train(small(BASELINE), tmp_path, said.append)
    assert "1 clips have a caption without a word, which scores 0" in said
    assert sorted(row["prediction"] for row in written(tmp_path))[0] == ""
    assert json.loads((tmp_path / "scores.json").read_text())["n"] == 5


def test_without_the_tools_there_are_captions_and_no_figures(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Exception, match="pycocoevalcap"):
        java.tools_folder()
    said: list[str] = []
    train.train(small(BASELINE), tmp_path, said.append)
    (told,) = [line for line in said if line.startswith("no figures")]
    assert "pip install 'soundseek[captions]'" in told
    assert len(written(tmp_path)) == 5
    assert not (tmp_path / "scores.json").exists()


def test_a_recipe_without_test_clips_ends_with_its_model(small: Small, tmp_path: Path) -> None:
    recipe = small(BASELINE)
    data = recipe.data.model_copy(update={"test": ()})
    train.train(recipe.model_copy(update={"data": data}), tmp_path, silent)
    assert (tmp_path / "best.pt").is_file()
    assert not (tmp_path / "captions.csv").exists()


def test_what_is_not_finite_stops_the_run_and_is_told(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = staging.sound_of

    def spoilt(model: Any, lesson: Any) -> Any:
        sequence, mask = real(model, lesson)
        return sequence * torch.nan, mask

    monkeypatch.setattr(staging, "sound_of", spoilt)
    with pytest.raises(DataError, match=r"step 0 of stage train: cross_entropy is nan"):
        train.train(small(BASELINE), tmp_path, silent)
    told = json.loads((tmp_path / "refused-batch.json").read_text(encoding="utf-8"))
    assert len(told["clips"]) == len(told["captions"]) == 6
