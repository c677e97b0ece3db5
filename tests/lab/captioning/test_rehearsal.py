from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from soundseek.errors import RecipeError, SoundseekError
from soundseek.lab.audio_encoders import encoder_class
from soundseek.lab.captioning import rehearsal_checks, scoring
from soundseek.lab.captioning.rehearsal import rehearse
from soundseek.lab.captioning.train import train
from soundseek.lab.captioning.trial import CaptioningTrial, CaptioningTrials
from soundseek.lab.memory import PeakMemory
from soundseek.lab.run_folder import RunFolder
from soundseek.lab.systems import find_batch, load_recipe
from soundseek.lab.systems import rehearse as rehearse_by_system
from support.retrieval import silent
from support.runs import loaded

pytestmark = pytest.mark.lab

Small = Callable[..., Any]
BUNDLE, BASELINE, CRNN, EVENTS = (
    "soundseek/captions",
    "cmu2022/captioning_baseline",
    "cmu2022/captioning_crnn",
    "cmu2022/captioning_events",
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No network, and nothing in the cache of Hugging Face."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("SOUNDSEEK_OFFLINE", "1")
    monkeypatch.setenv("SOUNDSEEK_WEIGHTS", str(tmp_path / "weights"))


def trial_of(found: Any) -> CaptioningTrial:
    (stage,) = found.stages
    assert isinstance(stage.trial, CaptioningTrial)
    return stage.trial


def storages(value: Any) -> dict[int, int]:
    """Place → bytes of the tensors in a file; those of the table of words have one."""
    if isinstance(value, torch.Tensor):
        storage = value.untyped_storage()
        return {storage.data_ptr(): storage.nbytes()}
    values = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return {}
    return {place: size for one in values for place, size in storages(one).items()}


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", [BUNDLE, BASELINE, CRNN, EVENTS])
def test_a_recipe_is_told_in_figures_and_words(small: Small, home: Path, name: str) -> None:
    recipe = small(name, optimiser={"epochs": 4, "max_steps": None}, run={"cache": None})
    said: list[str] = []
    found = rehearse(recipe, home / "run", said.append)
    assert found.problems == ()
    assert files(home) == []
    (stage,) = found.stages
    assert stage.objective == ("cross_entropy",)
    assert stage.data["train"].clips == stage.data["train"].probed == 10
    assert stage.data["train"].captions == 30
    texts = 6 if name == BUNDLE else 0
    assert stage.course.pairs == 30 + texts
    assert stage.course.steps == stage.course.steps_left == 4 * (30 + texts) // 6
    trial = trial_of(found)
    assert trial.step_s > 0
    assert trial.loss > 3
    everything, trained = trial.parameters["captioner.network"]
    assert everything == trained > 0
    hearing = trial.parameters.get("audio.encoder", (0, 0))
    assert (hearing[1] > 0) == (name == CRNN)
    assert (trial.hear_s > 0) == (name != CRNN)
    assert (trial.tag_s > 0) == (name == EVENTS)
    assert (trial.read_s > 0) == (name == BUNDLE)
    assert trial.validate_s > 0
    assert trial.write_s > 0
    assert stage.time is not None
    assert min(stage.time.prepare_s, stage.time.learn_s, stage.time.validate_s) > 0
    assert found.seconds is not None
    assert found.seconds > stage.time.total_s
    json.dumps(found.document(), allow_nan=False)
    told = "\n".join(found.lines())
    for part in ("stage train", "cross_entropy", "a step", "memory", "decoded sounds", "estimate"):
        assert part in told
    assert ("what is heard of them" in told) == (name != CRNN)


def test_sizes_are_those_of_the_files_that_a_run_leaves(
    small: Small, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "tell_report", lambda folder, say: None)
    recipe = small(EVENTS, optimiser={"ema": 0.9}, run={"cache": None, "decode": "ahead"})
    found = rehearse(recipe, home / "run", silent)
    train(recipe, home / "run", silent)
    trial = trial_of(found)
    for told, file in ((trial.kept_bytes, "best.pt"), (trial.checkpoint_bytes, "last.pt")):
        there = storages(loaded(home / "run" / file))
        assert told == pytest.approx(sum(there.values()), rel=0.01, abs=200)
    cache = home / "run" / "cache"
    decoded, heard, _ = found.disk
    assert decoded.bytes == pytest.approx(
        sum(path.stat().st_size for path in cache.glob("waveforms-*.i16")), rel=0.01
    )
    kept = sum(path.stat().st_size for path in cache.glob("*.f16"))
    assert heard.bytes == pytest.approx(kept, rel=0.5)
    # What is there needs no more time, and no more room.
    again = rehearse(recipe, home / "run", silent)
    assert again.standing is not None
    assert again.standing.step == 2
    assert "is resumed in stage train at step 2" in "\n".join(again.lines())
    (stage,) = again.stages
    assert stage.course.steps_left == 0
    assert stage.time is not None
    assert stage.time.total_s == 0
    assert again.disk[0].bytes == 0
    assert [need.what for need in again.disk] == ["decoded sounds", "models and checkpoints"]


def test_all_that_is_missing_is_told_at_once(small: Small, home: Path, offline: None) -> None:
    recipe = small(
        EVENTS,
        data={
            "train": [{"corpus": "clips", "root": "/nowhere/clips"}],
            "test": [{"corpus": "clips", "root": "/nowhere/more", "exclude": ["/nowhere/x.csv"]}],
        },
        audio={
            "weights": "pretrained",
            "checkpoint": "vggish-10086976.pth",
            "events": {"weights": "pretrained", "checkpoint": "/nowhere/tagger.pth"},
        },
        network={"weights": "pretrained", "model": "facebook/bart-base"},
        text={"tokenizer": "facebook/bart-large"},
        decoding={"words": "/nowhere/words.txt"},
    )
    found = rehearse(recipe, None, silent)
    told = "\n".join(map(str, found.problems))
    for part in (
        "/nowhere/clips",
        "/nowhere/more",
        "/nowhere/x.csv",
        "vggish-10086976.pth",
        "/nowhere/tagger.pth",
        "text.tokenizer: 'facebook/bart-large' is no folder here",
        "network.model: 'facebook/bart-base' is no folder here",
        "decoding.words: /nowhere/words.txt",
    ):
        assert part in told, part
    assert found.stages == ()
    assert found.seconds is None
    json.dumps(found.document(), allow_nan=False)
    list(found.lines())


def test_a_tokenizer_that_is_not_here_is_a_problem(small: Small, home: Path, offline: None) -> None:
    recipe = small(BASELINE, text={"tokenizer": "facebook/bart-base"})
    said: list[str] = []
    (problem,) = rehearse(recipe, None, said.append).problems
    assert problem.where == "text.tokenizer"
    assert "'facebook/bart-base' is no folder here" in problem.message
    assert "hf download facebook/bart-base" in str(problem.remedy)
    assert any("comes from the Hugging Face cache" in line for line in said)


def test_shipped_recipes_say_what_is_missing(home: Path, offline: None) -> None:
    """As they are, without any data: problems, and no traceback."""
    for name in (BUNDLE, CRNN, EVENTS):
        recipe = load_recipe(name, ["data.folder=/nowhere"])
        found = rehearse_by_system(recipe, None, silent)
        told = "\n".join(map(str, found.problems))
        assert "/nowhere" in told
        assert ("texts.files" in told) == (name == BUNDLE)
        assert ("vggish-10086976.pth" in told) == (name != BUNDLE)
        assert ("facebook/bart-base" in told) == (name != BUNDLE)


def test_files_of_texts(small: Small, home: Path) -> None:
    recipe = small(BUNDLE, texts={"files": ["lacking.csv", "texts.csv", "gone.csv"]})
    found = rehearse(recipe, None, silent)
    assert [problem.where for problem in found.problems] == ["texts.files", "texts.files"]
    assert "lacking.csv" in found.problems[0].message
    (stage,) = found.stages  # what is known is told
    assert stage.trial is None


def test_a_tagger_without_steps(small: Small, home: Path) -> None:
    options = {**encoder_class("panns_cnn10").TINY, "classes": 6}
    recipe = small(EVENTS, audio={"events": {"tagger": "panns_cnn10", "options": options}})
    (problem,) = rehearse(recipe, None, silent).problems
    assert "does not classify its steps" in problem.message


def test_words_that_cannot_be_spelt(small: Small, home: Path) -> None:
    (home / "words.txt").write_text("... !", encoding="utf-8")
    recipe = small(BASELINE, decoding={"words": str(home / "words.txt")})
    (problem,) = rehearse(recipe, None, silent).problems
    assert problem.where == "decoding.words"
    assert "no words" in problem.message


def test_a_folder_with_another_run(small: Small, home: Path) -> None:
    RunFolder.claim(home / "run", small(BASELINE))
    (home / "run" / "scores.json").write_text("{}", encoding="utf-8")
    (problem,) = rehearse(small(BASELINE, seed=9), home / "run", silent).problems
    assert problem.where == "--out"
    assert "another recipe" in problem.message


def test_sounds_that_cannot_be_read_are_counted(small: Small, synthetic: Path, home: Path) -> None:
    shutil.copytree(synthetic, home / "corpus")
    bad = sorted((home / "corpus" / "audio").glob("*-0.wav"))[0]
    bad.write_bytes(b"no sound at all")
    source = {"corpus": "clips", "root": str(home / "corpus"), "split": "train"}
    recipe = small(BASELINE, data={"train": [{**source, "audio": "optional"}]})
    found = rehearse(recipe, None, silent)
    assert found.problems == ()
    assert list(found.stages[0].data["train"].unreadable) == [bad.stem]


def test_notes_on_figures_that_there_will_not_be(
    small: Small, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def notes() -> str:
        return "\n".join(rehearse(small(BASELINE), None, silent).notes)

    monkeypatch.setattr(rehearsal_checks, "find_java", lambda: None)
    told = notes()
    assert "no METEOR: it needs Java" in told
    assert "neither SPICE nor SPIDEr" in told

    def missing() -> Path:
        raise SoundseekError("captioning metrics need pycocoevalcap", remedy="install it")

    monkeypatch.setattr(rehearsal_checks, "tools_folder", missing)
    told = notes()
    assert "captions of the test clips and no figures" in told
    assert "install it" in told
    assert "METEOR" not in told
    data = small(BASELINE).data.model_copy(update={"test": ()})
    without = rehearse(small(BASELINE).model_copy(update={"data": data}), None, silent)
    assert "figures" not in "\n".join(without.notes)


def test_a_batch_beyond_the_memory_is_not_tried(
    small: Small, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps(self: CaptioningTrials, stage: Any) -> Any:
        raise AssertionError("that would have filled the memory")

    monkeypatch.setattr(PeakMemory, "peak", lambda self: self.before + 10**14)
    monkeypatch.setattr(CaptioningTrials, "_steps", steps)
    (problem,) = rehearse(small(BASELINE), None, silent).problems
    assert problem.where == "optimiser.batch"
    assert "optimiser.accumulate" in str(problem.remedy)


def test_a_gpu_that_is_too_small(small: Small, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: CaptioningTrials, stage: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(CaptioningTrials, "_steps", full)
    (problem,) = rehearse(small(BASELINE), None, silent).problems
    assert "too large for the GPU" in problem.message


def test_a_batch_that_cannot_be_shared_out(small: Small, home: Path) -> None:
    recipe = small(
        BASELINE, optimiser={"batch": 10, "accumulate": 1}, run={"devices": 4, "device": "cpu"}
    )
    (problem,) = rehearse(recipe, None, silent).problems
    assert "10 pairs cannot be divided into 4" in problem.message


def test_a_device_that_is_not_here(small: Small, home: Path) -> None:
    if torch.cuda.device_count() > 90:
        pytest.skip("it is here")
    found = rehearse(small(BASELINE, run={"device": "cuda:90"}), None, silent)
    assert "run.device" in [problem.where for problem in found.problems]


def test_batches_of_captioners_are_not_searched_for(small: Small) -> None:
    with pytest.raises(RecipeError, match="cannot be tried"):
        find_batch(small(BASELINE), silent)
