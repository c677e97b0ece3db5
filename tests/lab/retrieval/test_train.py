from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from soundseek.errors import DataError, RecipeError
from soundseek.lab.recipe_files import merged
from soundseek.lab.retrieval import stage, train
from soundseek.lab.retrieval.trained import load_trained
from soundseek.lab.run_folder import RunFolder
from support.retrieval import Document, rows, silent
from support.runs import assert_same, assert_same_weights, interrupted, loaded

pytestmark = pytest.mark.lab

Killed = Callable[..., None]


@pytest.fixture
def staged(document: Document) -> Document:
    """Two stages: a plateau that comes, a stop before the end, a learnt temperature and frozen
    text in the first; its model teaches the second, in which the text side is free."""
    return merged(
        document,
        {
            "objective": [
                {"term": "nt_xent", "options": {"learnt": True, "temperature": 0.2}},
                {"term": "triplet_random", "options": {"margin": 0.2}, "weight": 0.5},
            ],
            "augment": {
                "audio": {"gain_db": 3.0, "spec_time_stripes": 1, "spec_time_width": 8},
                "text": {"p_eda": 0.5, "p_swap": 0.3},
            },
            "optimiser": {"batch": 10, "epochs": 9, "stop_after": 3},
            "run": {"checkpoint_steps": 5, "log_steps": 2},
            "stages": [
                {
                    "stage": "first",
                    "text": {"frozen": True},
                    "optimiser": {
                        "schedule": {
                            "kind": "plateau",
                            "factor": 0.5,
                            "patience": 1,
                            "threshold": 1.0,
                            "monitor": "mAP@10",
                        }
                    },
                },
                {
                    "stage": "second",
                    "objective": [
                        {"term": "nt_xent", "options": {"learnt": True, "temperature": 0.2}},
                        {"term": "estimated_correspondences"},
                    ],
                    "audio": {"max_s": 0.9, "window_s": 0.4},
                    "teachers": ["stage:first"],
                    "optimiser": {"max_steps": 5, "stop_after": None},
                },
            ],
        },
    )


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Killed:
    """Return killed(recipe, folder, place, at): train, and be interrupted when the `at`-th call of
    `place` begins."""

    def run(recipe: Any, folder: Path, place: str, at: int) -> None:
        owner: Any = next(one for one in (train, stage, stage.Stage) if hasattr(one, place))
        work = partial(train.train, recipe, folder, silent)
        interrupted(owner, place, at, work, monkeypatch)

    return run


@pytest.fixture(scope="session")
def kept_runs() -> dict[str, Path]:
    """Uninterrupted runs that serve several tests."""
    return {}


@pytest.fixture
def finished(
    staged: Document,
    recipe_of: Callable[..., Any],
    kept_runs: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    if "staged" not in kept_runs:
        folder = tmp_path_factory.mktemp("finished")
        train.train(recipe_of(staged), folder, silent)
        kept_runs["staged"] = folder
    return kept_runs["staged"]


@pytest.fixture
def plain(
    document: Document,
    recipe_of: Callable[..., Any],
    kept_runs: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """An uninterrupted run of the plain recipe."""
    if "plain" not in kept_runs:
        folder = tmp_path_factory.mktemp("plain")
        train.train(recipe_of(document), folder, silent)
        kept_runs["plain"] = folder
    return kept_runs["plain"]


def assert_same_run(first: Path, second: Path) -> None:
    """Weights, optimiser, plateau, early stopping, tables and figures."""
    assert_same_weights(first, second)
    for table in ("metrics.csv", "validation.csv"):
        assert rows(first / table) == rows(second / table), table
    for file in ("scores.json", "predictions.csv"):
        assert (first / file).read_bytes() == (second / file).read_bytes(), file


def test_a_run_leaves_what_it_promises(finished: Path) -> None:
    metrics, validation = rows(finished / "metrics.csv"), rows(finished / "validation.csv")
    # The first stage stops three epochs of three steps after its best one.
    best = max(range(len(validation) - 2), key=lambda i: float(validation[i]["mAP@10"]))
    steps = [int(row["step"]) for row in validation]
    first = [int(row["step"]) for row in validation if row["stage"] == "first"]
    assert first[-1] < 27
    assert first == list(range(3, first[-1] + 1, 3))
    assert first[best] == first[-1] - 9
    assert steps == [*first, first[-1] + 3, first[-1] + 5]
    for row in metrics:
        terms = {"first": "triplet_random", "second": "estimated_correspondences"}
        for stage_name, term in terms.items():
            given = float(row[term]) == float(row[term])
            assert given == (row["stage"] == stage_name)
        assert float(row["loss"]) == float(row["loss"])
    state = loaded(finished / "last.pt")
    assert state["stage"] == "second"
    assert state["before"] == first[-1]
    assert state["progress"]["step"] == 5
    assert not list(finished.glob("*.partial"))
    assert {path.name for path in finished.glob("stage-*.pt")} == {
        "stage-first.pt",
        "stage-second.pt",
    }
    assert_same(loaded(finished / "best.pt"), loaded(finished / "stage-second.pt"))
    scores = json.loads((finished / "scores.json").read_text())
    assert (scores["recipe"], scores["seed"], scores["clips"], scores["n"]) == (
        "test/tiny",
        3,
        5,
        15,
    )


def test_the_plateau_comes_in_the_first_stage(finished: Path) -> None:
    rates = [float(row["learning_rate"]) for row in rows(finished / "metrics.csv")]
    names = [row["stage"] for row in rows(finished / "metrics.csv")]
    first = [rate for rate, name in zip(rates, names, strict=True) if name == "first"]
    # No gain of 1.0 is possible after the first epoch: every two stale epochs halve the rate.
    assert first[:4] == [0.003] * 4
    assert first == sorted(first, reverse=True)
    assert first[-1] < 0.003
    assert set(first) <= {0.003 * 0.5**times for times in range(5)}
    assert rates[-1] == 0.003


PLACES = [
    ("_learn", 3),  # before the first checkpoint, a row of the table written
    ("_learn", 4),  # in the middle of a row
    ("_learn", 11),  # behind the plateau
    ("_validate", 1),  # before the first model is kept
    ("save", 2),  # a model is kept, the checkpoint is of before
    ("keep", 2),
    ("Stage", 2),  # between the stages
    ("listen", 1),
    ("_learn", 14),  # in the second stage, before its first checkpoint
    ("_learn", 17),
    ("score_run", 1),
]


@pytest.mark.parametrize(("place", "at"), PLACES)
def test_a_killed_run_resumes_to_the_same_result(
    finished: Path,
    staged: Document,
    recipe_of: Callable[..., Any],
    tmp_path: Path,
    killed: Killed,
    place: str,
    at: int,
) -> None:
    recipe = recipe_of(staged)
    killed(recipe, tmp_path, place, at)
    train.train(recipe, tmp_path, silent)
    assert_same_run(tmp_path, finished)


def test_a_run_killed_again_and_again_comes_to_the_same_result(
    finished: Path,
    staged: Document,
    recipe_of: Callable[..., Any],
    tmp_path: Path,
    killed: Killed,
) -> None:
    recipe = recipe_of(staged)
    for at in (2, 5, 4, 6, 3, 5, 2):
        killed(recipe, tmp_path, "_learn", at)
    train.train(recipe, tmp_path, silent)
    assert_same_run(tmp_path, finished)


@pytest.fixture
def everything(document: Document) -> Document:
    """What has a state of its own between steps, in one recipe."""
    return merged(
        document,
        {
            "data": {"bucket": 2},
            "augment": {"audio": {"gain_db": 3.0}, "text": {"p_eda": 0.5, "p_swap": 0.3}},
            "optimiser": {
                "epochs": 3,
                "accumulate": 2,
                "ema": 0.8,
                "clip_norm": 1.0,
                "weight_decay": 0.01,
                "frozen_epochs": {"audio.encoder": 1, "text.projection": None},
                "rates": {"audio.encoder": 0.3, "audio.encoder.conv_block1": 0.1},
                "non_finite": "skip",
            },
            "run": {"workers": 3, "checkpoint_steps": 2},
        },
    )


@pytest.mark.parametrize(
    "places", [[("_learn", 4), ("_learn", 5)], [("_validate", 2)], [("save", 5)]]
)
def test_a_run_with_everything_resumes_to_the_same_result(
    everything: Document,
    recipe_of: Callable[..., Any],
    kept_runs: dict[str, Path],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    killed: Killed,
    places: list[tuple[str, int]],
) -> None:
    """The mean of the weights, parts that thaw, and a batch that is skipped in each epoch."""
    real = stage.Stage._gradients

    def spoilt(self: Any, lessons: Any) -> Any:
        means, problem = real(self, lessons)
        return means, "spoilt" if self.progress.step % 5 == 3 else problem

    monkeypatch.setattr(stage.Stage, "_gradients", spoilt)
    recipe = recipe_of(everything)
    if "everything" not in kept_runs:
        kept_runs["everything"] = tmp_path_factory.mktemp("everything")
        train.train(recipe, kept_runs["everything"], silent)
    for place, at in places:
        killed(recipe, tmp_path, place, at)
    train.train(recipe, tmp_path, silent)
    whole = kept_runs["everything"]
    assert_same_run(tmp_path, whole)
    last, best = loaded(whole / "last.pt"), loaded(whole / "best.pt")
    assert last["progress"]["skipped"] == 3
    name = "audio.projection.0.weight"
    assert not best["model"][name].equal(last["model"][name])
    assert [row["skipped"] for row in rows(whole / "metrics.csv")][-1] == "3"


def test_a_run_killed_while_writing_keeps_the_checkpoint_before(
    plain: Path,
    document: Document,
    recipe_of: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, saves = torch.save, 0

    def half(state: Any, path: Path) -> None:
        nonlocal saves
        saves += 1
        if saves == 4:
            path.write_bytes(b"half of it")
            raise KeyboardInterrupt
        real(state, path)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", half)
        with pytest.raises(KeyboardInterrupt):
            train.train(recipe_of(document), tmp_path, silent)
    assert loaded(tmp_path / "last.pt")["progress"]["step"] == 4
    train.train(recipe_of(document), tmp_path, silent)
    assert_same_run(tmp_path, plain)


def test_a_finished_run_has_nothing_left_to_do(
    finished: Path,
    staged: Document,
    recipe_of: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)

    def files() -> dict[str, bytes]:
        """All but the note of each session, and the page that shows it."""
        of_sessions = {"environment.json", "report.html", "report.md"}
        found = [path for path in copy.iterdir() if path.is_file()]
        return {path.name: path.read_bytes() for path in found if path.name not in of_sessions}

    before = files()

    def no_step(*_: Any) -> None:
        raise AssertionError("a step too many")

    monkeypatch.setattr(stage.Stage, "_learn", no_step)
    assert train.train(recipe_of(staged), copy, silent) == copy / "best.pt"
    assert files() == before


def test_two_runs_of_a_recipe_are_the_same(
    plain: Path, document: Document, recipe_of: Callable[..., Any], tmp_path: Path
) -> None:
    torch.manual_seed(12345)  # what was drawn before plays no part
    train.train(recipe_of(document), tmp_path, silent)
    assert_same_run(tmp_path, plain)
    assert (tmp_path / "validation.csv").read_bytes() == (plain / "validation.csv").read_bytes()


def test_another_seed_is_another_run(
    plain: Path, document: Document, recipe_of: Callable[..., Any], tmp_path: Path
) -> None:
    train.train(recipe_of(document, seed=4), tmp_path, silent)
    weights = [loaded(folder / "last.pt")["model"] for folder in (plain, tmp_path)]
    assert not weights[0]["audio.projection.0.weight"].equal(
        weights[1]["audio.projection.0.weight"]
    )
    assert rows(tmp_path / "metrics.csv") != rows(plain / "metrics.csv")


def test_a_folder_holds_one_recipe(
    plain: Path, document: Document, recipe_of: Callable[..., Any], tmp_path: Path
) -> None:
    shutil.copytree(plain, tmp_path, dirs_exist_ok=True)
    for other in ({"seed": 5}, {"optimiser": {"epochs": 3}}, {"space": {"dimension": 9}}):
        with pytest.raises(RecipeError, match=r"run of another recipe \(test/tiny\)\n.*--out"):
            train.train(recipe_of(document, **other), tmp_path, silent)
    said: list[str] = []
    train.train(recipe_of(document, run={"log_steps": 7}), tmp_path, said.append)
    assert "resumed stage train at step 10" in said


@pytest.mark.parametrize("broken", ["loss", "gradient"])
def test_what_is_not_finite_stops_the_run_and_is_told(
    document: Document,
    recipe_of: Callable[..., Any],
    synthetic: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
) -> None:
    from soundseek.lab.objectives.nt_xent import NtXent

    real, calls = NtXent.forward, 0

    class Poison(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, value: torch.Tensor) -> torch.Tensor:
            return value.clone()

        @staticmethod
        def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
            return gradient * torch.inf

    def spoilt(self: Any, batch: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        value = real(self, batch)
        if calls < 4:
            return value
        poisoned: torch.Tensor = Poison.apply(value) if broken == "gradient" else value * torch.nan
        return poisoned

    monkeypatch.setattr(NtXent, "forward", spoilt)
    what = "nt_xent is nan" if broken == "loss" else "gradient's norm is (nan|inf)"
    with pytest.raises(DataError, match=rf"step 3 of stage train: .*{what}\n.*refused-batch.json"):
        train.train(recipe_of(document), tmp_path, silent)
    told = json.loads((tmp_path / "refused-batch.json").read_text(encoding="utf-8"))
    clips = [json.loads(line) for line in (synthetic / "clips.jsonl").read_text().splitlines()]
    captions = {clip["id"]: clip["captions"] for clip in clips}
    assert told["step"] == 3
    assert len(told["clips"]) == len(told["captions"]) == 6
    for clip, caption in zip(told["clips"], told["captions"], strict=True):
        assert caption in captions[clip]
    state = loaded(tmp_path / "last.pt")
    assert state["progress"]["step"] == 2
    assert all(value.isfinite().all() for value in state["model"].values())
    monkeypatch.setattr(NtXent, "forward", real)
    train.train(recipe_of(document), tmp_path, silent)
    assert (tmp_path / "best.pt").is_file()


def test_a_batch_of_one_clip_is_refused_and_does_not_loop(
    document: Document, recipe_of: Callable[..., Any], tmp_path: Path
) -> None:
    """The baseline of DCASE 2022 looks for an impostor for ever."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    (source,) = document["data"]["train"]
    lines = (Path(source["root"]) / "clips.jsonl").read_text(encoding="utf-8").splitlines()
    one = json.loads(lines[0])
    one["file"] = str(Path(source["root"]) / one["file"])
    (folder / "clips.jsonl").write_text(json.dumps(one) + "\n", encoding="utf-8")
    recipe = recipe_of(
        document,
        data={"train": [{"corpus": "clips", "root": str(folder)}]},
        objective=[{"term": "triplet_random"}],
    )
    with pytest.raises(DataError, match=r"step 0 of stage train: .*(group|clip)"):
        train.train(recipe, tmp_path / "run", silent)
    told = json.loads((tmp_path / "run" / "refused-batch.json").read_text(encoding="utf-8"))
    assert set(told["clips"]) == {one["id"]}


def test_stages_hear_the_windows_that_they_name(
    document: Document,
    recipe_of: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[Any] = []
    real = stage.Stage._learn

    def watched(self: Any, lessons: Any) -> Any:
        (lesson,) = lessons
        samples = lesson.batch.waveforms.shape[1]
        heard.append((self.name, self.model.audio.window_samples, samples))
        return real(self, lessons)

    monkeypatch.setattr(stage.Stage, "_learn", watched)
    stages = [
        {"stage": "a", "audio": {"window_s": 0.5}},
        {"stage": "b", "audio": {"max_s": 0.7}},
        {"stage": "c", "audio": {"window_s": 0.4, "max_s": 1.0}},
    ]
    train.train(recipe_of(document, stages=stages, optimiser={"max_steps": 1}), tmp_path, silent)
    assert [one[:2] for one in heard] == [("a", 8000), ("b", None), ("c", 6400)]
    assert [one[2] for one in heard][1:] == [11200, 16000]


def test_stages_hear_as_they_say(finished: Path) -> None:
    """A stage's windows are heard in its training, and kept with its model."""
    assert load_trained(finished).model.audio.window_samples == 6400
    first = load_trained(finished, "stage-first.pt")
    assert first.model.audio.window_samples is None
    assert first.recipe.audio.max_s == 1.2
    assert first.recipe.text.frozen


def test_a_stage_frees_what_another_froze(finished: Path) -> None:
    first, second = (loaded(finished / f"stage-{name}.pt")["model"] for name in ("first", "second"))
    fresh = loaded(finished / "stage-first.pt")
    changed = [key for key in first if not first[key].equal(second[key])]
    assert any(key.startswith("text.encoder.") for key in changed)
    assert any(key.startswith("audio.encoder.") for key in changed)
    assert fresh["objective"]["terms.nt_xent.log_scale"] != torch.tensor(0.2).log().neg()
    # The second stage went on from the first one's temperature.
    learnt = [loaded(finished / f"stage-{name}.pt")["objective"] for name in ("first", "second")]
    gone = [float(one["terms.nt_xent.log_scale"]) for one in learnt]
    assert abs(gone[1] - gone[0]) <= 5 * 0.0031


@pytest.mark.parametrize("tower", ["audio", "text"])
def test_a_frozen_encoder_does_not_change(
    document: Document,
    recipe_of: Callable[..., Any],
    tmp_path: Path,
    tower: str,
    plain: Path,
) -> None:
    """Neither its weights nor what its batch normalisation has seen."""
    from soundseek.lab.retrieval.build import build_model
    from soundseek.lab.retrieval.clips import clip_sets

    recipe = recipe_of(
        document, **{tower: {"frozen": True}}, optimiser={"weight_decay": 0.1, "max_steps": 3}
    )
    train.train(recipe, tmp_path, silent)
    clips = clip_sets(recipe.data, recipe.seed, silent).train
    texts = sorted({caption for clip in clips for caption in clip.captions})
    fresh = build_model(recipe, texts).state_dict()
    after = loaded(tmp_path / "last.pt")["model"]
    frozen = [key for key in fresh if key.startswith(f"{tower}.encoder.")]
    assert frozen
    for key in frozen:
        assert after[key].equal(fresh[key]), key
    other = "text" if tower == "audio" else "audio"
    for start in (f"{tower}.projection.", f"{other}.projection.", f"{other}.encoder."):
        assert any(not after[key].equal(fresh[key]) for key in fresh if key.startswith(start))
    assert any("running_mean" in key for key in loaded(plain / "last.pt")["model"])


def test_clips_that_cannot_be_read_are_named_and_left_out(
    document: Document, recipe_of: Callable[..., Any], synthetic: Path, tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus"
    shutil.copytree(synthetic, corpus)
    lines = [json.loads(line) for line in (corpus / "clips.jsonl").read_text().splitlines()]
    for split in ("train", "validation", "test"):
        of = [line for line in lines if line["split"] == split]
        (corpus / of[0]["file"]).write_bytes(b"no sound at all")
        if split == "train":
            (corpus / of[1]["file"]).unlink()
    sources = {
        split: [{"corpus": "clips", "root": str(corpus), "split": split, "audio": "optional"}]
        for split in ("train", "validation", "test")
    }
    said: list[str] = []
    recipe = recipe_of(document, data=sources, optimiser={"max_steps": 2})
    train.train(recipe, tmp_path / "run", said.append)
    left_out = [line for line in said if line.startswith("left out")]
    assert len(left_out) == 4
    assert json.loads((tmp_path / "run" / "scores.json").read_text())["clips"] == 4


def test_stages_that_go_on_count_their_steps_on(finished: Path) -> None:
    steps = [int(row["step"]) for row in rows(finished / "metrics.csv")]
    assert steps == sorted(set(steps))
    assert RunFolder(finished).document()["name"] == "test/tiny"


def test_a_file_system_without_links_gets_a_copy(
    plain: Path,
    document: Document,
    recipe_of: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(plain, tmp_path, dirs_exist_ok=True)
    (tmp_path / "best.pt").unlink()

    def refused(self: Path, target: Path) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    train.train(recipe_of(document), tmp_path, silent)
    assert (tmp_path / "best.pt").read_bytes() == (plain / "best.pt").read_bytes()
